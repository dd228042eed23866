"""The recorder: one thread that writes all tapes of a process, so that no packet ever waits for a disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from video.recording.model import TapeEvent, Track
from video.recording.tape import LIMITS, RESERVE, Limits, Tape

log = structlog.get_logger(__name__)

FLUSH_S = 0.25  # what a kill -9 costs at most
_SYNC_BUDGET_NS = 100_000_000  # a slow disk's share of a round


class Recorder:
    """Opens tapes and writes them until `stop`. `tell` hears every event, from the recorder's thread or the hot path
    (packets dropped): it must be quick; in asyncio pass something that uses `call_soon_threadsafe`.
    """

    def __init__(
        self,
        tell: Callable[[TapeEvent], None],
        *,
        flush_s: float = FLUSH_S,
        limits: Limits = LIMITS,
    ) -> None:
        self._tell = tell
        self._flush_s = flush_s
        self._limits = limits
        self._tapes: list[Tape] = []
        self._guard = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def open(self, folder: Path, track: Track) -> Tape:
        """A tape for this track in this folder (made if missing); goes on after parts that are there. Never blocks.

        A track that is being recorded already gives its running tape, which learns the codecs that are new: a chain
        has one writer.
        The files are opened by the recorder's thread; when that fails, `TapeFailed` tells and it is tried again.
        """
        with self._guard:
            for tape in self._tapes:
                if (tape.folder, tape.track.stem) == (folder, track.stem) and not tape.closing:
                    tape.understand(track.codecs)
                    return tape
            # One that is closing stands before this one in the list, and is ended before this one begins.
            tape = Tape(folder, track, self._tell, self._limits)
            self._tapes.append(tape)
        return tape

    def stop(self, timeout_s: float = 5.0) -> bool:
        """Close all tapes and wait for the disk, at most so long. Returns whether all is written. Blocks."""
        with self._guard:
            for tape in self._tapes:
                tape.close()
        self._stopping.set()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not (stopping := self._stopping.wait(self._flush_s)) or self._tapes:
            self._round()
            if stopping:
                time.sleep(0.001)  # `wait` returns at once from now on

    def _round(self) -> None:
        budget_ns = _SYNC_BUDGET_NS
        for tape in list(self._tapes):
            begun_ns = time.monotonic_ns()
            try:
                tape.work(begun_ns)
                if budget_ns > 0 and tape.sync(begun_ns):
                    budget_ns -= time.monotonic_ns() - begun_ns
            except Exception:
                log.exception("recording.round")
                tape.give_up(begun_ns)
                tape.done = tape.done or self._stopping.is_set()
            if tape.done:
                self._leave(tape)

    def _leave(self, tape: Tape) -> None:
        with self._guard:
            self._tapes.remove(tape)
            last = all(other.folder != tape.folder for other in self._tapes)
        if last:
            try:
                (tape.folder / RESERVE).unlink(missing_ok=True)
            except OSError:
                log.warning("recording.reserve_stays")
