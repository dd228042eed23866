"""A running Asterisk for tests: the real one, on free loopback ports, with tones for prompts.

`asterisk` (session) is shared by all tests of a run; it lives in a thread with an event loop of its own, so
that tests keep theirs. Whoever wants to kill, restart or configure an Asterisk takes `own_asterisk()`
instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from ivr.server.config import ServerOptions, ServerPorts
from ivr.server.fetch import AsteriskHome, find_or_fetch_blocking
from ivr.server.process import AsteriskServer

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("SWITCHBOARD_CACHE", ROOT / ".cache"))

ARI_USER = "switchboard"
ARI_PASSWORD = "only-for-tests"

SOUNDS_MS = {"tone": 3000, "short": 300, "second": 500, "away": 400, "away_thanks": 200}
"""Test prompts and their length; each is a tone. In calls: `sound:zh/tone`."""


def home() -> AsteriskHome:
    return find_or_fetch_blocking(CACHE)


def alaw_tone(ms: int, hertz: float = 440.0) -> bytes:
    """A-law, 8 kHz, about -12 dBFS."""
    return bytes(_alaw(int(8000 * math.sin(2 * math.pi * hertz * n / 8000))) for n in range(ms * 8))


def _alaw(sample: int) -> int:
    """One 16-bit sample in G.711 A-law."""
    sign = 0x80 if sample >= 0 else 0
    level = min(abs(sample), 32635)
    exponent = max(level.bit_length() - 8, 0)
    mantissa = (level >> (exponent + 3 if exponent else 4)) & 0x0F
    return (sign | exponent << 4 | mantissa) ^ 0x55


def make_sounds(folder: Path) -> None:
    (folder / "zh").mkdir(parents=True)
    (folder / "music").mkdir()
    for name, ms in SOUNDS_MS.items():
        (folder / "zh" / f"{name}.alaw").write_bytes(alaw_tone(ms))
    (folder / "music" / "waiting.alaw").write_bytes(alaw_tone(2000, 330.0))


def new_server(
    folder: Path, options: ServerOptions | None = None, ports: ServerPorts | None = None
) -> AsteriskServer:
    """A server below `folder` on free ports, not started. `folder` must be short (unix sockets)."""
    if not (folder / "sounds").exists():
        make_sounds(folder / "sounds")
    return AsteriskServer(
        home(),
        folder / "run",
        ports or ServerPorts.free(),
        ari_user=ARI_USER,
        ari_password=ARI_PASSWORD,
        sounds_dir=folder / "sounds",
        recordings_dir=folder / "recordings",
        options=options,
    )


async def until(condition: Callable[[], object], timeout: float = 5.0) -> None:
    """Return as soon as `condition()` is true. Raises TimeoutError."""
    async with asyncio.timeout(timeout):
        while not condition():  # noqa: ASYNC110 - the condition is not ours to signal
            await asyncio.sleep(0.005)


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    """A temporary folder with a path short enough for Asterisk's console socket."""
    folder = Path(tempfile.mkdtemp(prefix="sw-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.asynccontextmanager
async def own_asterisk(options: ServerOptions | None = None) -> AsyncIterator[AsteriskServer]:
    """An Asterisk of the test's own, in the test's event loop."""
    with short_folder() as folder:
        async with new_server(folder, options) as server:
            yield server


@contextlib.contextmanager
def in_thread(server: AsteriskServer) -> Iterator[AsteriskServer]:
    """Run the server, supervision included, in a thread with its own event loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="asterisk-server", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(60)
        try:
            yield server
        finally:
            asyncio.run_coroutine_threadsafe(server.stop(), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture(scope="session")
def asterisk() -> Iterator[AsteriskServer]:
    """One Asterisk for the whole run. A test leaves no channel and no bridge behind."""
    with short_folder() as folder, in_thread(new_server(folder)) as server:
        yield server
