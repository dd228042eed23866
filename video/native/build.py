"""Compiles the C path on the machine where it runs, once, and loads it.

``python -m video.native`` does it ahead of time and says what came of it; with ``--quiet`` it never fails. What is
compiled lies in VIDEO_NATIVE_DIR, else in the virtual environment, else in the user's cache folder, under the digest of
all that went into it: other sources, another Python or other flags never meet an old one.
"""

import hashlib
import importlib.machinery
import importlib.util
import os
import platform
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import _cffi_backend

NAME = "_video_wire"
HERE = Path(__file__).parent
SOURCES = ("ring.c", "packet.c", "tables.c", "forward.c", "feedback.c", "thread.c")
_HEADERS = ("wire.h", "api.h")
_COMPILE_S = 120
_FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-fPIC", "-shared", "-pthread", "-fvisibility=hidden"]
_FLAGS += ["-fstack-protector-strong", "-Wall", "-Wextra"]
_SANITIZE = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
_SANITIZE += ["-fno-omit-frame-pointer"]
_SEEN = """
typedef struct { int64_t received, sent, stray, early, oversized, malformed, forged, flooded, unknown, duplicate,
    send_failed, resent, recovered, overflow, nacked, key_frames_asked; } tally;
typedef struct { tally tally; ...; } wire;
typedef struct { int64_t received, heard_ns; int arrived, tokens, resends; ...; } lane;
typedef struct { uint32_t id; int64_t base, highest, last_ns, packets, octets, key_frames, untaped;
    uint32_t last_timestamp, report_ntp; int needs_key, level, missed; ...; } track;
typedef struct { lane *lane; track *track, *target; int paused, running; int64_t anchor, seq_offset, last_ns, packets,
    octets; uint32_t ts_offset, last_timestamp; uint16_t next_seq, rtx_seq; ...; } sub;
typedef struct { sub *sub; track *track; int kind, paused, payload_type, rtx_payload_type, extension_id;
    uint32_t ssrc, rtx_ssrc; } change;
int starts_key_frame(int codec, const uint8_t *payload, int size);
"""
"""What Python reads directly: numbers that one store of C writes whole."""


class NotBuilt(Exception):
    """There is no C path here; the message says why."""


def extension(name: str, seen: str, sources: list[Path], headers: list[Path], include: str) -> Any:
    """A cffi module of these sources, compiled where it is not yet.

    Args:
        seen: declarations for cffi, without directives.
        include: the C line that makes them known to the compiler.

    Raises:
        NotBuilt: no compiler, no headers of Python, no folder to put it, or it does not compile.
    """
    flags = [*_FLAGS, *(_SANITIZE if os.environ.get("VIDEO_NATIVE_SANITIZE") else [])]
    digest = hashlib.sha256("\0".join([name, seen, include, _cffi_backend.__version__, *flags]).encode())
    digest.update(f"{sys.implementation.cache_tag} {platform.machine()} {platform.libc_ver()}".encode())
    for path in [*sources, *headers]:
        digest.update(path.read_bytes())
    folder = _folder()
    library = folder / f"{name}-{digest.hexdigest()[:20]}.so"
    if not library.exists():
        _compile(seen, name, include, library, flags, sources)
    return _import(name, library)


@cache
def load() -> Any:
    """The module with ``ffi`` and ``lib``. Raises NotBuilt."""
    api = "\n".join(line for line in (HERE / "api.h").read_text().splitlines() if not line.startswith("#"))
    return extension(
        NAME,
        _SEEN + api,
        [HERE / one for one in SOURCES],
        [HERE / one for one in _HEADERS],
        '#include "wire.h"',
    )


def _folder() -> Path:
    """A folder of our own that nobody else may write to: what lies in it is run."""
    given = os.environ.get("VIDEO_NATIVE_DIR")
    if given:
        folder = Path(given).absolute()
    elif sys.prefix != sys.base_prefix and os.access(sys.prefix, os.W_OK):
        folder = Path(sys.prefix) / "lib" / "video-native"
    else:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "video-native"
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        facts = folder.stat()
    except (OSError, RuntimeError) as error:
        raise NotBuilt(f"no folder for it: {type(error).__name__}") from error
    if facts.st_uid not in (0, os.geteuid()) or stat.S_IMODE(facts.st_mode) & 0o022:
        raise NotBuilt("others may write into the folder for it")
    return folder


def _compile(
    seen: str, name: str, include: str, library: Path, flags: list[str], sources: list[Path]
) -> None:
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise NotBuilt("no C compiler")
    python = sysconfig.get_paths()["include"]
    if not Path(python, "Python.h").exists():
        raise NotBuilt("no headers of Python (python3-dev)")
    try:
        import cffi  # only where something is made: a start does without its C parser
        from cffi.recompiler import make_c_source

        ffi = cffi.FFI()
        ffi.cdef(seen)
        ffi.set_source(name, include)
        with tempfile.TemporaryDirectory(prefix="making-", dir=library.parent) as work:
            made, glue = Path(work, "made.so"), Path(work, f"{name}.c")
            make_c_source(ffi, name, include, str(glue))
            command = [compiler, *flags, f"-I{python}", f"-I{sources[0].parent}", "-o", str(made), str(glue)]
            command += map(str, sources)
            done = subprocess.run(command, capture_output=True, timeout=_COMPILE_S, text=True, check=False)
            if done.returncode:
                raise NotBuilt(f"it does not compile: {done.stderr.strip()[:2000]}")
            made.replace(library)  # whole or not at all, whoever else makes it at the same time
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotBuilt(f"it could not be compiled: {type(error).__name__}") from error


def _import(name: str, library: Path) -> Any:
    loader = importlib.machinery.ExtensionFileLoader(name, str(library))
    spec = importlib.util.spec_from_loader(name, loader)
    try:
        if spec is None:
            raise ImportError(name)
        module = importlib.util.module_from_spec(spec)
        loader.exec_module(module)
    except ImportError as error:
        raise NotBuilt(f"it cannot be loaded: {error}") from error
    return module
