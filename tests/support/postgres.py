"""A private PostgreSQL for tests: its own cluster in a temporary directory, reached by unix socket only.

PostgreSQL refuses to run as root, so root starts it as the user ``postgres`` that Debian's package made.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",  # tests lose nothing by a power cut
    "max_connections": "60",
    "shared_buffers": "16MB",
    "log_min_messages": "fatal",
}


def binaries() -> Path:
    """The directory of initdb and pg_ctl of the newest PostgreSQL installed."""
    on_path = shutil.which("pg_ctl")
    if on_path is not None and shutil.which("initdb") is not None:
        return Path(on_path).parent
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise RuntimeError("PostgreSQL is not installed: apt install postgresql")
    return found[-1].parent


@dataclass(frozen=True)
class Cluster:
    """A running server. ``url(name)`` is what SQLAlchemy takes."""

    root: Path
    user: str
    bin: Path

    @property
    def sockets(self) -> Path:
        return self.root / "s"

    def url(self, database: str) -> str:
        return f"postgresql://{self.user}@/{database}?host={self.sockets}"

    def create(self, database: str) -> str:
        """Makes an empty database and returns its URL."""
        with self._connection() as connection:
            connection.execute(f'CREATE DATABASE "{database}"'.encode())
        return self.url(database)

    def drop(self, database: str) -> None:
        with self._connection() as connection:
            connection.execute(f'DROP DATABASE "{database}" WITH (FORCE)'.encode())

    def start(self) -> None:
        options = " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())
        log = str(self.root / "log")
        self._run("pg_ctl", "start", "-w", "-D", self._data, "-l", log, "-o", f"-k {self.sockets} {options}")

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "stop", "-w", "-m", mode, "-D", self._data)

    def initialise(self) -> None:
        self._run(
            "initdb", "-D", self._data, "-U", self.user, "-A", "trust", "-E", "UTF8", "--locale=C", "-N"
        )

    @property
    def _data(self) -> str:
        return str(self.root / "data")

    def _connection(self) -> psycopg.Connection:
        return psycopg.connect(
            host=str(self.sockets), user=self.user, dbname="postgres", autocommit=True, connect_timeout=10
        )

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.bin / program), *arguments]
        owner = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        done = subprocess.run(
            command,
            cwd=self.root,
            user=owner.pw_uid if owner else None,
            group=owner.pw_gid if owner else None,
            extra_groups=[] if owner else None,
            stdin=subprocess.DEVNULL,
            # The server inherits these: a pipe would stay open for as long as it runs.
            stdout=(self.root / "out").open("ab"),
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed: {(self.root / 'out').read_text()[-2000:]}")


@contextmanager
def private_cluster() -> Iterator[Cluster]:
    """Starts a cluster and takes it away. The path is short: a socket name has at most 107 bytes."""
    root = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    as_root = os.geteuid() == 0
    cluster = Cluster(root, "postgres", binaries())
    try:
        cluster.sockets.mkdir()
        (root / "out").touch()
        if as_root:
            owner = pwd.getpwnam("postgres")
            for path in (root, cluster.sockets):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        cluster.initialise()
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(root, ignore_errors=True)
