"""The one interface behind which digests, signatures and time stamps stand, so that a certified machine can take over.

The recording of rooms declares the slice that it needs (``video.recording.evidence.EvidenceProvider``: ``seal``); a
``Provider`` is that and more, so one object serves recordings, papers and containers. ``LocalProvider`` is ours: keys
in files (``authority``), stamps from them or from a time stamping authority by its address (``tsa``). A machine's
provider implements the same five methods; nothing else in the house knows where a key lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from switchboard.evidence.authority import LocalAuthority
from switchboard.evidence.digests import Digests, Hasher, blocks
from switchboard.evidence.stamps import answer_locally
from switchboard.evidence.tsa import TsaSettings, ask
from video.recording.evidence import EvidenceProvider, LocalSeal

SEAL_KEY = "seal-key.pem"
"""The key of recordings' seals (Ed25519), in the data directory."""


class Provider(EvidenceProvider, Protocol):
    """All methods block (files, network, a machine): call them in a thread. All raise EvidenceError and OSError."""

    @property
    def certificates(self) -> Sequence[bytes]:
        """DER, the signer's first, each followed by who issued it. ``sign`` uses the key of the first."""
        ...

    @property
    def roots(self) -> Sequence[bytes]:
        """DER: whom this house trusts, for signatures and for stamps."""
        ...

    def digest(self, source: BinaryIO) -> Digests:
        """Of what is left of the stream."""
        ...

    def sign(self, message: bytes) -> bytes:
        """ECDSA on P-256 with SHA-256 (FIPS 186-5), DER, s in the lower half, so that each signature has one writing.
        ``message`` is short: at most 64 KiB."""
        ...

    def time_stamp(self, sha256: bytes) -> bytes:
        """An RFC 3161 TimeStampToken (DER) over this digest (32 bytes), checked. Raises StampUnavailable,
        StampRefused, StampInvalid."""
        ...


@dataclass(frozen=True, slots=True)
class LocalProvider:
    """Keys in the data directory; stamps of the local authority, or of ``tsa`` where one is set, and of no other:
    where it is away nothing is sealed."""

    authority: LocalAuthority
    recordings: LocalSeal
    tsa: TsaSettings | None = None

    @classmethod
    def open(cls, data_dir: Path, tsa: TsaSettings | None = None) -> LocalProvider:
        """Keys are made at the first start. Raises AuthorityUnusable."""
        return cls(LocalAuthority.open(data_dir), LocalSeal.from_file(data_dir / SEAL_KEY), tsa)

    @property
    def certificates(self) -> Sequence[bytes]:
        return (self.authority.house.der, self.authority.root.der)

    @property
    def roots(self) -> Sequence[bytes]:
        return (self.authority.root.der, *(self.tsa.roots if self.tsa else ()))

    def digest(self, source: BinaryIO) -> Digests:
        hasher = Hasher()
        for block in blocks(source):
            hasher.update(block)
        return hasher.digests()

    def sign(self, message: bytes) -> bytes:
        return self.authority.house.sign(message)

    def time_stamp(self, sha256: bytes) -> bytes:
        if self.tsa is not None:
            return ask(self.tsa, sha256)
        return answer_locally(self.authority, sha256)

    def seal(self, file: str, digests: Digests) -> dict[str, Any]:
        """The seal beside a recording's manifest."""
        return self.recordings.seal(file, digests)


def open_provider(data_dir: Path, tsa: TsaSettings | None = None) -> Provider:
    """The provider of this house; keys are made at the first start. Raises AuthorityUnusable."""
    return LocalProvider.open(data_dir, tsa)
