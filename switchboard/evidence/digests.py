"""SHA-256 (FIPS 180-4) and SM3 (GB/T 32905) in one pass over a stream."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import BinaryIO

from cryptography.hazmat.primitives import hashes

from video.recording.evidence import Digests, canonical, digests_of

__all__ = ["BLOCK", "Digests", "Hasher", "blocks", "canonical", "digests_of", "digests_of_bytes"]

BLOCK = 1 << 18
"""Bytes that are held at a time."""


class Hasher:
    """Takes blocks, answers both digests of all of them."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._sm3 = hashes.Hash(hashes.SM3())
        self.size = 0

    def update(self, block: bytes) -> None:
        self._sha256.update(block)
        self._sm3.update(block)
        self.size += len(block)

    def digests(self) -> Digests:
        return Digests(self.size, self._sha256.hexdigest(), self._sm3.copy().finalize().hex())


def blocks(source: BinaryIO) -> Iterator[bytes]:
    """What is left of a stream, at most ``BLOCK`` bytes at a time."""
    while block := source.read(BLOCK):
        yield block


def digests_of_bytes(content: bytes) -> Digests:
    hasher = Hasher()
    hasher.update(content)
    return hasher.digests()
