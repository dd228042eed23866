"""Runs the muxer or the composer as a process of its own, from asyncio: progress, cancelled with the task."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from video.recording import errors
from video.recording.errors import RecordingError

Step = Literal["mux", "compose"]
_END_S = 10.0
_LINE_BYTES = 1 << 16


async def run(
    step: Step,
    folder: Path,
    key: Path,
    on_progress: Callable[[float, str], None] = lambda share, what: None,
    ended: str = "",
) -> None:
    """Run one step. Cancelling the task ends the process. ``ended``: see ``mux.process``. Raises what
    ``RecordingError`` it ended with."""
    arguments = ["-m", f"video.recording.{step}", str(folder), "--key", str(key)]
    arguments += ["--ended", ended] if ended else []
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES,
    )
    told: dict[str, Any] = {}
    try:
        output = child.stdout
        while output is not None and (line := await output.readline()):
            told = _read(line)
            if "progress" in told:
                on_progress(float(told["progress"]), str(told.get("step", "")))
        await child.wait()
    finally:
        await _end(child)
    if child.returncode:
        raise _error(told)


def _read(line: bytes) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


async def _end(child: asyncio.subprocess.Process) -> None:
    if child.returncode is not None:
        return
    with suppress(ProcessLookupError):
        child.terminate()
    with suppress(TimeoutError):
        async with asyncio.timeout(_END_S):
            await child.wait()
    if child.returncode is None:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()


def _error(told: dict[str, Any]) -> RecordingError:
    code = told.get("error")
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, RecordingError) and kind.code == code:
            return kind(str(told.get("text", "")))
    return RecordingError(f"the work ended without a word ({code})")
