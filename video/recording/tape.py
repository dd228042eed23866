"""One track's tape while it runs. The hot path only appends to a bounded queue; the recorder's thread does the rest.

A tape is a row of part files `<participant>.<track>.0001.tape` (`video.recording.parts`). A process that died leaves a
part with a torn tail, which stays as it is: the next one begins a new part whose first block names the last whole block
before it.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from video.recording.blocks import (
    DESCRIPTION,
    MARK,
    MAX_PAYLOAD,
    MAX_RECORD,
    RECORD,
    RTCP,
    RTP,
    unpack_records,
)
from video.recording.model import (
    Codec,
    PacketsDropped,
    TapeAnchored,
    TapeClosed,
    TapeEvent,
    TapeFailed,
    TapeResumed,
    Track,
)
from video.recording.parts import LIMITS, MANIFEST, RESERVE, Limits, Parts, tape_parts

__all__ = ["LIMITS", "MANIFEST", "RESERVE", "Limits", "Tape", "tape_parts"]
log = structlog.get_logger(__name__)

_MARK_BYTES = 4096
_MARKS_BEYOND = 1 << 18  # marks may go this far beyond the packets' limit
_RECORD_COST = 64  # what an entry costs in memory beside its bytes, about
_RETRY_NS = 1_000_000_000
_DESCRIBE_NS = 60_000_000_000
_REASONS = {errno.ENOSPC: "disk_full", errno.EDQUOT: "disk_full", errno.EROFS: "sealed"}


@dataclass(slots=True)
class _Gap:
    from_ns: int
    to_ns: int
    packets: int = 0
    bytes: int = 0


@dataclass(slots=True)
class _Pending:
    """A block that is ready, and what would be lost with it."""

    payload: bytes
    records: int
    cost: int
    gap: _Gap | None  # the packets in it, as the gap they would become


class Tape(Parts):
    """Made by `Recorder.open`. `write`, `report`, `mark` and `close` never block and never raise.

    Times are nanoseconds of CLOCK_MONOTONIC (`time.monotonic_ns()`).
    """

    def __init__(
        self, folder: Path, track: Track, tell: Callable[[TapeEvent], None], limits: Limits = LIMITS
    ) -> None:
        super().__init__(folder, track, limits)
        self.track = track
        self._tell_room = tell
        # Hot path's side. A deque's append and popleft are atomic; each counter is written by one side only.
        self._queue: deque[tuple[int, int, bytes]] = deque()
        self._put = 0
        self._gap: _Gap | None = None
        self._closing = False
        # Recorder's side.
        self._taken = 0
        self._waiting: _Pending | None = None
        self._failed = ""
        self._retry_ns = 0
        self._synced_ns = 0
        self.packets = 0
        self.dropped = 0
        self.done = False

    # -- the hot path

    def write(self, arrival_ns: int, packet: bytes) -> None:
        """Keep a raw RTP packet (unprotected) that arrived at `arrival_ns`."""
        self._keep(RTP, arrival_ns, packet)

    def report(self, arrival_ns: int, packet: bytes) -> None:
        """Keep a raw RTCP packet of the same participant: its sender reports align sound and picture."""
        self._keep(RTCP, arrival_ns, packet)

    def _keep(self, kind: int, at_ns: int, packet: bytes) -> None:
        try:
            size = len(packet)
            cost = size + _RECORD_COST
            if self._closing or not 0 < size <= MAX_RECORD:
                return
            if self._put - self._taken + cost > self._limits.buffer_bytes:
                if kind == RTP:
                    self._leave_out(at_ns, size)
                return
            if self._gap is not None:
                self._end_gap("overflow")
            self._put += cost
            self._queue.append((kind, at_ns, bytes(packet)))
        except Exception:  # nothing that is wrong here may stop the packets' way to the others
            log.exception("recording.write")

    def _leave_out(self, at_ns: int, size: int) -> None:
        gap = self._gap
        self.dropped += 1
        if gap is None:
            self._gap = _Gap(at_ns, at_ns, 1, size)
            self._tell(PacketsDropped(self.track, at_ns))
            return
        gap.to_ns = max(gap.to_ns, at_ns)
        gap.packets += 1
        gap.bytes += size

    def _end_gap(self, reason: str) -> None:
        gap, self._gap = self._gap, None
        if gap is not None:
            self._mark("gap", _gap_facts(gap, reason))

    def mark(self, kind: str, **facts: Any) -> None:
        """Keep a fact about this track ("join", "leave", "caucus", "mute" ...) with its time. No names."""
        try:
            if not self._closing:
                self._mark(kind, facts)
        except Exception:
            log.exception("recording.mark")

    def _mark(self, kind: str, facts: dict[str, Any]) -> None:
        data = json.dumps({**facts, "kind": kind}, ensure_ascii=False, default=str).encode()
        if len(data) > _MARK_BYTES:
            data = json.dumps({"kind": kind[:64], "too_long": len(data)}).encode()
        cost = len(data) + _RECORD_COST
        if self._put - self._taken + cost <= self._limits.buffer_bytes + _MARKS_BEYOND:
            self._put += cost
            self._queue.append((MARK, time.monotonic_ns(), data))

    def understand(self, codecs: Mapping[int, Codec]) -> None:
        """From now on payload types mean this too: a new peer of the same participant may number them otherwise."""
        try:
            merged = {**self.track.codecs, **codecs}
            if merged != dict(self.track.codecs) and not self._closing:
                self.track = replace(self.track, codecs=merged)
                now_ns, data = self._description(self.track)
                self._put += len(data) + _RECORD_COST
                self._queue.append((DESCRIPTION, now_ns, data))
        except Exception:
            log.exception("recording.understand")

    @property
    def closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        """End the tape; the recorder's thread writes what is left, then tells `TapeClosed`."""
        if not self._closing:
            self._closing = True

    # -- the recorder's thread

    def work(self, now_ns: int) -> None:
        """Write what waits; once closing, end. Called by one thread only. Raises nothing for a disk that refuses."""
        if self.done or (self._failed and now_ns < self._retry_ns and not self._closing):
            return
        written = self._write_waiting(now_ns)
        if self._closing:
            self._finish(now_ns, written)

    def sync(self, now_ns: int) -> bool:
        """Have the disk hold what was written, if that is due. Returns whether the disk was asked (that takes time)."""
        if not self._unsynced or self._fd < 0 or now_ns - self._synced_ns < self._limits.sync_ns:
            return False
        self._unsynced, self._synced_ns = False, now_ns
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            self._fail(error, now_ns)
        return True

    def give_up(self, now_ns: int) -> None:
        """After a fault of our own: say so and try again later."""
        self._fail(None, now_ns)

    def _write_waiting(self, now_ns: int) -> bool:
        try:
            if self._fd < 0:
                self._begin_part(now_ns)
            while (pending := self._waiting or self._collect()) is not None:
                self._waiting = pending
                self._append(pending.payload, pending.records)
                self._account(pending)
            if now_ns - self._described_ns >= _DESCRIBE_NS:
                self._describe(now_ns)
                self._tell(TapeAnchored(self.track, self._number, self._digest.hex()))
        except OSError as error:
            self._fail(error, now_ns)
            return False
        if self._failed:
            self._failed = ""
            self._tell(TapeResumed(self.track))
        return True

    def _account(self, pending: _Pending) -> None:
        self._waiting = None
        self._taken += pending.cost
        if pending.gap is not None:
            self.packets += pending.gap.packets

    def _collect(self) -> _Pending | None:
        """One block's worth of what waits; None when nothing does."""
        queue, parts, size, cost, gap = self._queue, [], 0, 0, None
        pack = RECORD.pack
        for _ in range(len(queue)):
            kind, at_ns, data = queue[0]
            length = len(data)
            if size + RECORD.size + length > MAX_PAYLOAD:
                break
            if kind == DESCRIPTION:
                if parts:
                    break  # what came before is described by what is known until now
                self._known = Track.from_description(json.loads(data))
            queue.popleft()
            parts += (pack(kind, max(0, at_ns), length), data)
            size += RECORD.size + length
            cost += length + _RECORD_COST
            if kind == RTP:
                if gap is None:
                    gap = _Gap(at_ns, at_ns)
                gap.to_ns = at_ns
                gap.packets += 1
                gap.bytes += length
        return _Pending(b"".join(parts), len(parts) // 2, cost, gap) if parts else None

    def _finish(self, now_ns: int, written: bool) -> None:
        """Write the last words. On a full disk what still waits becomes a gap, and the reserve is given up."""
        if not written:
            written = self._last_words_on_a_full_disk()
        if self._gap is not None and written:
            self._end_gap("overflow")
        if written:
            self._mark("end", {"packets": self.packets, "dropped": self.dropped})
            written = self._write_waiting(now_ns)
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.fsync(self._fd)
            os.close(self._fd)
            self._fd = -1
        self.done = True
        self._tell(TapeClosed(self.track, self._number, self._digest.hex(), self.packets, self.dropped))

    def _last_words_on_a_full_disk(self) -> bool:
        gap = self._gap
        marks: list[tuple[int, int, bytes]] = []
        while (pending := self._waiting or self._collect()) is not None:
            self._waiting = None
            self._taken += pending.cost
            gap = _joined(pending.gap, gap)
            self.dropped += pending.gap.packets if pending.gap else 0
            marks += _marks_of(pending.payload)
        self._queue.extend(marks)
        self._put += sum(len(data) + _RECORD_COST for _, _, data in marks)
        self._gap = None
        if gap is not None:
            self._mark("gap", _gap_facts(gap, self._failed or "disk_error"))
        with contextlib.suppress(OSError):
            (self.folder / RESERVE).unlink(missing_ok=True)
        return self._write_waiting(time.monotonic_ns())

    def _fail(self, error: OSError | None, now_ns: int) -> None:
        self._retry_ns = now_ns + _RETRY_NS
        if self._failed:
            return
        if error is None:
            self._failed = "internal"
        else:
            self._failed = _REASONS.get(error.errno or 0, "disk_error")
        log.error("recording.failed", reason=self._failed, errno=error.errno if error else None)
        self._tell(TapeFailed(self.track, self._failed))

    def _tell(self, event: TapeEvent) -> None:
        try:
            self._tell_room(event)
        except Exception:
            log.exception("recording.tell")


def _gap_facts(gap: _Gap, reason: str) -> dict[str, Any]:
    return {
        "reason": reason,
        "from_ns": gap.from_ns,
        "to_ns": gap.to_ns,
        "packets": gap.packets,
        "bytes": gap.bytes,
    }


def _joined(one: _Gap | None, other: _Gap | None) -> _Gap | None:
    if one is None or other is None:
        return one or other
    return _Gap(
        min(one.from_ns, other.from_ns),
        max(one.to_ns, other.to_ns),
        one.packets + other.packets,
        one.bytes + other.bytes,
    )


def _marks_of(payload: bytes) -> list[tuple[int, int, bytes]]:
    return [(one.kind, one.at_ns, one.data) for one in unpack_records(payload) if one.kind == MARK]
