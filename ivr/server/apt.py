"""apt-get without being root and without touching the machine: Debian's own check of signatures and sums."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from ivr.errors import FetchFailed

DEFAULT_MIRROR = "http://deb.debian.org/debian"
COMMAND_TIMEOUT_S = 900
_PORTION = 4


class Apt:
    """apt-get with folders of its own: it sees one suite, no installed package, no hook of the machine."""

    def __init__(self, folder: Path, suite: str, keyring: Path) -> None:
        self._config = folder / "apt.conf"
        for name in ("state/lists/partial", "cache/archives/partial", "etc/apt.conf.d", "etc/preferences.d"):
            (folder / name).mkdir(parents=True)
        (folder / "status").touch()
        (folder / "sources.list").write_text(f"deb [signed-by={keyring}] {_mirror()} {suite} main\n")
        settings = {
            "Dir::State": folder / "state",
            "Dir::State::status": folder / "status",
            "Dir::Cache": folder / "cache",
            "Dir::Etc": folder / "etc",
            "Dir::Etc::parts": folder / "etc/apt.conf.d",
            "Dir::Etc::sourcelist": folder / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "APT::Install-Recommends": "false",
            "APT::Get::AllowUnauthenticated": "false",
            # The helper user _apt cannot read a cache below a private home.
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            "Acquire::http::Timeout": "30",
            "Debug::NoLocking": "true",
        }
        lines = [*_machine_acquire_settings(), *(f'{key} "{value}";' for key, value in settings.items())]
        self._config.write_text("\n".join(lines) + "\n")

    def update(self) -> None:
        self._run("update", "-q")

    def resolve(self, package: str) -> list[str]:
        """Names of the package and all it depends on, recommended ones left out."""
        answer = self._run("install", "-qq", "--print-uris", package)
        return [line.split()[1].split("_")[0] for line in answer.splitlines() if line.startswith("'")]

    def download(self, packages: list[str], target: Path, progress: Callable[[float], None]) -> None:
        """Put the packages' files into `target`; apt checks each sum against the signed lists."""
        done = 0
        # In portions, because `apt-get download` reports progress to terminals only.
        for at in range(0, len(packages), _PORTION):
            self._run("download", "-q", *packages[at : at + _PORTION], cwd=target)
            done = min(at + _PORTION, len(packages))
            progress(done / len(packages))

    def _run(self, *arguments: str, cwd: Path | None = None) -> str:
        environment = {
            **os.environ,
            "APT_CONFIG": str(self._config),
            "LC_ALL": "C",
            "DEBIAN_FRONTEND": "noninteractive",
        }
        return run(["apt-get", *arguments], cwd=cwd, env=environment)


def _mirror() -> str:
    """The Debian archive this machine already uses, else Debian's own."""
    try:
        listed = run(["apt-get", "indextargets", "--format", "$(REPO_URI)"]).split()
    except FetchFailed:
        return DEFAULT_MIRROR
    return next((uri.rstrip("/") for uri in listed if uri.rstrip("/").endswith("/debian")), DEFAULT_MIRROR)


def _machine_acquire_settings() -> list[str]:
    """The machine's proxies and the like, without its hooks and pins."""
    try:
        dump = run(["apt-config", "dump", "Acquire"]).splitlines()
    except FetchFailed:
        return []
    return [line for line in dump if re.match(r"Acquire::(http|https|ftp|Retries|Check-|ForceIPv)", line)]


def run(command: list[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    try:
        done = subprocess.run(
            command, cwd=cwd, env=env, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FetchFailed(f"{command[0]} could not be run: {error}") from error
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.startswith(("E:", "dpkg-deb:"))]
        raise FetchFailed(f"{command[0]} {command[1]} failed: {' '.join(said)[:500] or done.returncode}")
    return done.stdout
