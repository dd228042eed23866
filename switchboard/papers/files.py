"""Files named by their own SHA-256: written once, whole, flushed, read-only, never written again."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from pathlib import Path

from switchboard.papers.errors import PaperDamaged

_NAME = re.compile(r"[0-9a-f]{64}")


class Files:
    """A folder of files. All methods block."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, sha256: str) -> Path:
        """Where this file lies or would lie. Raises PaperDamaged for anything that is no digest."""
        if _NAME.fullmatch(sha256) is None:
            raise PaperDamaged("no digest")
        return self._root / sha256[:2] / sha256

    def put(self, content: bytes) -> str:
        """Its SHA-256, once it is safe on the disk. Doing it twice changes nothing. Raises OSError."""
        digest = hashlib.sha256(content).hexdigest()
        target = self.path(digest)
        if target.exists() and target.stat().st_size == len(content):
            return digest
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = target.with_name(f".{secrets.token_hex(8)}.part")
        try:
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        for folder in (target.parent, self._root):
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        return digest

    def read(self, sha256: str) -> bytes:
        """The file, checked. Raises PaperDamaged."""
        try:
            content = self.path(sha256).read_bytes()
        except OSError as error:
            raise PaperDamaged(type(error).__name__) from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise PaperDamaged("another content")
        return content

    def sweep(self, older_than_s: float, now_s: float) -> int:
        """Removes what a killed process left half written; answers how many."""
        gone = 0
        for path in self._root.glob("*/.*.part"):
            if now_s - path.stat().st_mtime > older_than_s:
                path.unlink(missing_ok=True)
                gone += 1
        return gone
