"""What the bridge tells publishers, on a beat of 50 ms: what was lost, when what arrived, and when a picture is due.

``video/native/feedback.c`` does the same on the C path's thread, so that publishers go on hearing of their line while
the event loop is busy; this one is the oracle of its tests.
"""

import time
from collections.abc import Iterable
from typing import Protocol

from video.lanes import Counters, Lane, Track
from video.packets import ReceiverBlock, nack, picture_loss, receiver_report

KEY_FRAME_EVERY_NS = 500_000_000
_OWN_SSRC = 1
_TRANSPORT_EVERY = 2
_REPORT_EVERY = 20
_BLOCKS_MAX = 31


class Wire(Protocol):
    """What is needed of a forwarder."""

    counters: Counters

    def lost(self, track: Track, now_ns: int) -> list[int]: ...

    def take_arrivals(self, lane: Lane) -> list[tuple[int, int]]: ...

    def send_rtcp(self, lane: Lane, data: bytes) -> None: ...


class Feedback:
    """``beat(lanes)`` every 50 ms."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._beats = 0

    def beat(self, lanes: Iterable[Lane]) -> None:
        self._beats += 1
        now_ns = time.monotonic_ns()
        for lane in lanes:
            if lane.tx is None:
                continue
            if self._beats % _TRANSPORT_EVERY == 0 and lane.arrivals:
                self._transport(lane)
            for track in lane.by_ssrc.values():
                if track.source.kind == "video":
                    self._picture(lane, track, now_ns)
                else:
                    track.missing.clear()
            if self._beats % _REPORT_EVERY == 0:
                self._report(lane, now_ns)

    def _transport(self, lane: Lane) -> None:
        """Transport-wide feedback for every packet that came, whatever its SSRC."""
        media = next(iter(lane.by_ssrc), 0)
        for packet in lane.told.write(_OWN_SSRC, media, self._wire.take_arrivals(lane)):
            self._wire.send_rtcp(lane, packet)

    def _picture(self, lane: Lane, track: Track, now_ns: int) -> None:
        ssrc = track.source.ssrc
        numbers = self._wire.lost(track, now_ns)
        if numbers:
            self._wire.counters.nacked += len(numbers)
            self._wire.send_rtcp(lane, nack(_OWN_SSRC, ssrc, numbers))
        wanted = track.needs_key and (track.live or track.arriving or track.tape is not None)
        if wanted and (not track.asked_ns or now_ns - track.asked_ns >= KEY_FRAME_EVERY_NS):
            track.asked_ns = now_ns
            self._wire.counters.key_frames_asked += 1
            self._wire.send_rtcp(lane, picture_loss(_OWN_SSRC, ssrc))

    def _report(self, lane: Lane, now_ns: int) -> None:
        blocks: list[ReceiverBlock] = []
        for track in lane.by_ssrc.values():
            if track.highest < 0:
                continue
            expected = track.highest - track.base + 1
            due, came = expected - track.expected_before, track.packets - track.received_before
            track.expected_before, track.received_before = expected, track.packets
            lost = max(0, min(255, (due - came) * 256 // due)) if due > 0 else 0
            waited = (now_ns - track.report_ns) * 65_536 // 1_000_000_000 if track.report_ns else 0
            total = max(0, expected - track.packets)
            waited = min(waited, 0xFFFFFFFF)
            blocks.append(
                ReceiverBlock(track.source.ssrc, lost, track.highest, track.report_ntp, waited, total)
            )
        if blocks:
            self._wire.send_rtcp(lane, receiver_report(_OWN_SSRC, blocks[:_BLOCKS_MAX]))
