"""Digests, time stamps and seals behind one interface, so that a certified authority or machine can take over."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

LOCAL_STATEMENT = "local seal, not a qualified time stamp"
_BLOCK = 1 << 18


@dataclass(frozen=True, slots=True)
class Digests:
    """Of a whole file: length in bytes, SHA-256 (FIPS 180-4) and SM3 (GB/T 32905), hexadecimal."""

    size: int
    sha256: str
    sm3: str


class EvidenceProvider(Protocol):
    """Seals a file by its digests. What it returns is written beside the file as JSON."""

    def seal(self, file: str, digests: Digests) -> dict[str, Any]:
        """`file`: its name. Blocking. Answers who sealed ("provider") and what it is worth ("statement")."""
        ...


def digests_of(path: Path) -> Digests:
    """Raises OSError."""
    sha256, sm3, size = hashlib.sha256(), hashes.Hash(hashes.SM3()), 0
    with path.open("rb") as source:
        while block := source.read(_BLOCK):
            sha256.update(block)
            sm3.update(block)
            size += len(block)
    return Digests(size, sha256.hexdigest(), sm3.finalize().hex())


def canonical(facts: Mapping[str, Any]) -> bytes:
    """The one way in which facts are written to a file: sorted keys, two spaces, UTF-8, a newline at the end."""
    return json.dumps(facts, ensure_ascii=False, sort_keys=True, indent=2).encode() + b"\n"


class LocalSeal:
    """Signs with a key of this house (Ed25519, RFC 8032) and this machine's clock. Proves that nothing was changed
    since by anybody without the key; proves the time to nobody who does not trust the house.
    """

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def from_file(cls, path: Path) -> LocalSeal:
        """The key in this file; it is made, for its owner only, where there is none. Raises OSError, ValueError."""
        if not path.exists():
            _make_key(path)
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("the seal's key is no Ed25519 key")
        return cls(key)

    @property
    def public_key(self) -> str:
        """32 bytes, hexadecimal."""
        return self._key.public_key().public_bytes_raw().hex()

    def seal(self, file: str, digests: Digests) -> dict[str, Any]:
        facts = {
            "file": file,
            "size": digests.size,
            "sha256": digests.sha256,
            "sm3": digests.sm3,
            "provider": "local",
            "statement": LOCAL_STATEMENT,
            "sealed_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "algorithm": "Ed25519",
            "public_key": self.public_key,
        }
        return {**facts, "signature": self._key.sign(canonical(facts)).hex()}


def _make_key(path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(pem)
        os.fsync(file.fileno())
    try:
        os.link(part, path)  # two at once: the first one's key stays
    except FileExistsError:
        pass
    finally:
        part.unlink()


def local_seal_holds(facts: Mapping[str, Any]) -> bool:
    """Whether the signature in a local seal fits what the seal says."""
    try:
        signed = {key: value for key, value in facts.items() if key != "signature"}
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(facts["public_key"]))
        signature = bytes.fromhex(facts["signature"])
        if signature.hex() != facts["signature"]:
            return False  # the same number written otherwise is an altered file all the same
        key.verify(signature, canonical(signed))
    except (KeyError, TypeError, ValueError, InvalidSignature):
        return False
    return True
