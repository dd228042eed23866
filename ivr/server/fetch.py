"""Find an Asterisk on this machine, or fetch Debian's own packages of it without being root.

Debian 12 and 13 carry no Asterisk; forky and sid carry 22 LTS. Its packages are fetched with apt-get under
private folders (so apt checks Debian's signature and every sum as always), unpacked side by side in a cache
folder and started through the C library they were built with. Nothing on the machine is changed.

Only the packages that the modules in use need are fetched (about 30 of 160). The dynamic loader is then
asked whether every library is there; if one is not, the rest of what apt resolved is fetched too, so a new
Debian release with other package names costs megabytes and not a failure.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import structlog

from ivr.errors import AsteriskMissing, FetchFailed
from ivr.server.apt import Apt, run
from ivr.server.config import modules_in_use

log = structlog.get_logger(__name__)

Progress = Callable[[str, float], None]
"""Called with what is being done (English, a few words) and how much of the whole is done, 0.0 to 1.0."""

SUITES = ("forky", "sid")
KEYRINGS = (
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
)
STAMP_FORMAT = 1

# Names without versions, because Debian puts versions and transition marks (t64) into library package names.
_WANTED = re.compile(
    r"asterisk|asterisk-modules|libc6|libgcc-s1|libstdc\+\+6|zlib1g|lib(?:"
    r"zstd|crypt|ssl|jansson|xml2|xslt|sqlite3|uriparser|uuid|systemd|cap|edit|tinfo|bsd|md|gsm|opus|srtp2|nspr|nss"
    r")[-.\d]*(?:t64)?"
)

_ADVICE = (
    "Install Asterisk 22 yourself (for example `apt install asterisk` on a system that carries it) and start "
    "again, or run on Debian or a relative of it with apt-get, dpkg-deb and debian-archive-keyring."
)


@dataclass(frozen=True, slots=True)
class AsteriskHome:
    """One Asterisk that can be started. All paths are absolute.

    `command` starts the program (without arguments); `modules_dir` holds its modules; `data_dir` holds
    `documentation/` (without it Asterisk refuses to start) and `rest-api/` (Asterisk's description of ARI).
    """

    root: Path
    command: tuple[str, ...]
    modules_dir: Path
    data_dir: Path
    version: str

    @property
    def rest_api(self) -> Path:
        return self.data_dir / "rest-api"


async def find_or_fetch(cache_dir: Path, *, progress: Progress | None = None) -> AsteriskHome:
    """The installed Asterisk if it is new enough, else the one in `cache_dir`, fetched at the first call.

    The first call takes 10 to 30 s and about 40 MB of network, later ones a millisecond. Any number of
    processes may call at once: one fetches, the others wait. Raises AsteriskMissing or FetchFailed.
    """
    loop = asyncio.get_running_loop()
    told = progress or _silent

    def tell(what: str, share: float) -> None:
        loop.call_soon_threadsafe(told, what, share)

    return await asyncio.to_thread(find_or_fetch_blocking, cache_dir, tell)


def find_or_fetch_blocking(cache_dir: Path, progress: Progress | None = None) -> AsteriskHome:
    """`find_or_fetch` for callers without an event loop."""
    installed = find_installed()
    if installed is not None:
        return installed
    cache = _Cache(cache_dir.absolute() / "asterisk")
    home = cache.home()
    if home is not None:
        return home
    with cache.locked():
        return cache.home() or _fill(cache, progress or _silent)


def find_installed() -> AsteriskHome | None:
    """The `asterisk` on the PATH, when it knows REST over its event socket (20.14, 21.9, 22.4 or later)."""
    binary = shutil.which("asterisk") or shutil.which("asterisk", path="/usr/sbin:/usr/local/sbin")
    if binary is None:
        return None
    try:
        answer = subprocess.run(
            [binary, "-V"], capture_output=True, text=True, timeout=20, check=False
        ).stdout
    except OSError:
        return None
    version = answer.removeprefix("Asterisk ").strip()
    modules = _first_dir(
        "/usr/lib/*/asterisk/modules", "/usr/lib*/asterisk/modules", "/usr/local/lib/asterisk/modules"
    )
    data = _first_dir(
        "/usr/share/asterisk/rest-api", "/var/lib/asterisk/rest-api", "/usr/local/share/asterisk/rest-api"
    )
    if not is_new_enough(version) or modules is None or data is None:
        log.info("asterisk.installed_unfit", version=version, has_modules=modules is not None)
        return None
    return AsteriskHome(Path("/"), (binary,), modules, data.parent, version)


def is_new_enough(version: str) -> bool:
    """Whether this version answers REST requests on the event socket, which all call control here uses."""
    found = re.match(r"(\d+)\.(\d+)", version)
    if found is None:
        return False
    major, minor = int(found[1]), int(found[2])
    return major > 22 or minor >= {20: 14, 21: 9, 22: 4}.get(major, sys.maxsize)


def _first_dir(*patterns: str) -> Path | None:
    return next((path for pattern in patterns for path in Path("/").glob(pattern[1:]) if path.is_dir()), None)


def _silent(what: str, share: float) -> None:
    del what, share


# --- the cache ---------------------------------------------------------------------------------------------


class _Cache:
    """The folder that keeps packages, the unpacked tree and the stamp that says both are whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.packages = path / "packages"
        self.tree = path / "tree"
        self.stamp_file = path / "stamp.json"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def stamp(self) -> Mapping[str, str] | None:
        """Sums of the packages by file name, recorded when apt had verified them; None before that."""
        try:
            stamp = json.loads(self.stamp_file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        same = stamp.get("format") == STAMP_FORMAT and stamp.get("architecture") == os.uname().machine
        return stamp["packages"] if same else None

    def home(self) -> AsteriskHome | None:
        if self.stamp() is None or not self.tree.is_dir():
            return None
        return _home_in(self.tree)

    def write_stamp(self, packages: Iterable[Path]) -> None:
        stamp = {
            "format": STAMP_FORMAT,
            "architecture": os.uname().machine,
            "packages": {path.name: _sha256(path) for path in sorted(packages)},
        }
        fresh = self.stamp_file.with_suffix(".new")
        fresh.write_text(json.dumps(stamp, indent=1))
        fresh.replace(self.stamp_file)


def _home_in(tree: Path) -> AsteriskHome | None:
    """The Asterisk inside an unpacked tree, or None when it is not whole."""
    binary = tree / "usr/sbin/asterisk"
    modules = next(tree.glob("usr/lib/*/asterisk/modules"), None)
    if modules is None or not binary.exists():
        return None
    libraries = modules.parent.parent
    loader = next(libraries.glob("ld-linux*.so.*"), None)
    if loader is None:
        return None
    version = (tree / "VERSION").read_text().strip() if (tree / "VERSION").exists() else ""
    command = (str(loader), "--inhibit-cache", "--library-path", str(libraries), str(binary))
    return AsteriskHome(tree, command, modules, tree / "usr/share/asterisk", version)


def _fill(cache: _Cache, progress: Progress) -> AsteriskHome:
    """Unpack the kept packages if their sums still hold, else fetch them anew. The cache is locked."""
    started = time.monotonic()
    kept = cache.stamp()
    if kept is not None and _sums_hold(cache.packages, kept):
        home = _unpack(cache, progress)
    else:
        cache.stamp_file.unlink(missing_ok=True)
        home = _fetch(cache, progress)
        cache.write_stamp(cache.packages.glob("*.deb"))
    progress("Asterisk is here", 1.0)
    log.info("asterisk.fetched", version=home.version, ms=int((time.monotonic() - started) * 1000))
    return home


def _sums_hold(folder: Path, sums: Mapping[str, str]) -> bool:
    return bool(sums) and all(
        (folder / name).is_file() and _sha256(folder / name) == expected for name, expected in sums.items()
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


# --- fetching ----------------------------------------------------------------------------------------------


def _fetch(cache: _Cache, progress: Progress) -> AsteriskHome:
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    keyring = next((path for path in KEYRINGS if path.is_file()), None)
    if missing or keyring is None:
        lacks = ", ".join([*missing, *(["Debian's archive keyring"] if keyring is None else [])])
        raise AsteriskMissing(
            f"No Asterisk is installed and it cannot be fetched (this machine lacks {lacks}). {_ADVICE}"
        )
    failures: list[str] = []
    for suite in SUITES:
        with tempfile.TemporaryDirectory(prefix="apt-", dir=cache.path) as folder:
            apt = Apt(Path(folder), suite, keyring)
            try:
                return _fetch_from(apt, cache, progress)
            except FetchFailed as error:
                log.warning("asterisk.suite_failed", suite=suite, why=str(error))
                failures.append(f"{suite}: {error}")
    raise FetchFailed("; ".join(failures) + f". {_ADVICE}")


def _fetch_from(apt: Apt, cache: _Cache, progress: Progress) -> AsteriskHome:
    progress("reading Debian's package lists", 0.0)
    apt.update()
    resolved = apt.resolve("asterisk")
    wanted = [name for name in resolved if _WANTED.fullmatch(name)]
    if "asterisk" not in wanted:
        raise FetchFailed("the suite carries no Asterisk")
    shutil.rmtree(cache.packages, ignore_errors=True)
    cache.packages.mkdir(parents=True)
    apt.download(wanted, cache.packages, lambda share: progress("downloading Asterisk", 0.1 + 0.6 * share))
    home = _unpack(cache, progress)
    lacking = missing_libraries(home)
    if lacking:
        log.info("asterisk.more_packages", lacking=sorted(lacking))
        rest = [name for name in resolved if name not in wanted]
        apt.download(
            rest, cache.packages, lambda share: progress("downloading more libraries", 0.7 + 0.2 * share)
        )
        home = _unpack(cache, progress)
        lacking = missing_libraries(home)
    if lacking:
        raise FetchFailed(f"libraries missing after unpacking: {', '.join(sorted(lacking))}")
    return home


# --- unpacking ---------------------------------------------------------------------------------------------


def _unpack(cache: _Cache, progress: Progress) -> AsteriskHome:
    """All kept packages into a fresh tree, which takes its final name only when whole."""
    fresh = cache.path / "tree.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    packages = sorted(cache.packages.glob("*.deb"))
    for number, package in enumerate(packages):
        progress("unpacking Asterisk", 0.7 + 0.3 * number / len(packages))
        run(["dpkg-deb", "-x", str(package), str(fresh)])
    home = _home_in(fresh)
    if home is None:
        raise FetchFailed("the packages hold no Asterisk where it is expected")
    version = run([*home.command, "-V"]) if not missing_libraries(home) else ""
    (fresh / "VERSION").write_text(version.removeprefix("Asterisk "))
    shutil.rmtree(cache.tree, ignore_errors=True)
    fresh.rename(cache.tree)
    home = _home_in(cache.tree)
    assert home is not None  # noqa: S101 - the same tree was whole a line ago
    return home


def missing_libraries(home: AsteriskHome) -> set[str]:
    """Libraries that the program or a module in use needs and that the tree does not hold.

    One found in the machine's own folders counts as missing: on the next machine it would not be there.
    """
    loader, program = home.command[0], home.command[-1]
    modules = [home.modules_dir / name for name in modules_in_use()]
    lacking: set[str] = set()
    for file in [program, *(str(module) for module in modules if module.exists())]:
        command = [loader, "--inhibit-cache", "--library-path", str(Path(loader).parent), "--list", file]
        listing = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        for name, path in re.findall(r"^\s*(\S+) => (not found|\S+)", listing.stdout, re.MULTILINE):
            if not path.startswith(str(home.root)) and "ld-linux" not in name:
                lacking.add(name)
    return lacking


def main(arguments: list[str] | None = None, out: IO[str] = sys.stdout) -> int:
    """`python -m ivr.server.fetch --cache DIR`: fetch now, so that the first start need not."""
    import argparse

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--cache", type=Path, required=True, metavar="DIR", help="where packages are kept")
    options = parser.parse_args(arguments)
    last = ""

    def tell(what: str, share: float) -> None:
        nonlocal last
        if what != last:
            print(f"{share:4.0%} {what}", file=out, flush=True)
        last = what

    try:
        home = find_or_fetch_blocking(options.cache, tell)
    except (AsteriskMissing, FetchFailed) as error:
        print(f"{error.code}: {error}", file=sys.stderr)
        return 1
    print(f"Asterisk {home.version} in {home.root}", file=out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
