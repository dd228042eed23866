"""The C path under the address and undefined-behaviour sanitizers: any bytes from a stranger, or from a peer that holds
the keys, leave its memory whole. ``SWITCHBOARD_LONG=1`` gives it many more of them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

from tests.support.asterisk import ROOT

LONG = bool(os.environ.get("SWITCHBOARD_LONG"))
TESTS = [
    f"tests/video/test_{name}.py" for name in ("forward", "native_fuzz", "native_thread", "native_oracle")
]
SHORT_S, LONG_S = 240, 1_800


def _library(name: str) -> str:
    """Of the compiler's own; it has to be the first in the process."""
    return subprocess.run(
        ["cc", f"-print-file-name={name}"], capture_output=True, text=True, check=True
    ).stdout.strip()


async def test_the_c_path_keeps_to_its_memory() -> None:
    preload = " ".join(map(_library, ("libasan.so", "libubsan.so")))
    environment = {
        **os.environ,
        "VIDEO_NATIVE": "need",
        "VIDEO_NATIVE_SANITIZE": "1",
        "VIDEO_EXAMPLES": "20",
        "LD_PRELOAD": preload,
        "ASAN_OPTIONS": "detect_leaks=0:halt_on_error=1:abort_on_error=1:handle_segv=0",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    }
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "-k",
            "not python and not compiler",
            *TESTS,
        ),
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(LONG_S if LONG else SHORT_S):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, said.decode(errors="replace")[-8_000:]
    assert b" passed" in said
