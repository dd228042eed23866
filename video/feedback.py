"""What the bridge tells publishers, on a beat of 50 ms: what was lost, when what arrived, and when a picture is due."""

import time
from collections.abc import Iterable

from video.forward import Forwarder
from video.packets import ReceiverBlock, nack, picture_loss, receiver_report
from video.peer import Layer, Peer

BEAT_S = 0.05
KEY_FRAME_EVERY_NS = 500_000_000
_OWN_SSRC = 1
_TRANSPORT_EVERY = 2
_REPORT_EVERY = 20


class Feedback:
    """``beat(peers)`` every 50 ms."""

    def __init__(self, forwarder: Forwarder) -> None:
        self.key_frames_asked = 0
        self.nacked = 0
        self._forwarder = forwarder
        self._beats = 0

    def beat(self, peers: Iterable[Peer]) -> None:
        self._beats += 1
        now_ns = time.monotonic_ns()
        for peer in peers:
            if not peer.ready:
                continue
            if self._beats % _TRANSPORT_EVERY == 0 and peer.lane.arrivals:
                self._transport(peer)
            for layer in peer.layers():
                if layer.track.source.kind == "video":
                    self._picture(peer, layer, now_ns)
                else:
                    layer.track.missing.clear()
            if self._beats % _REPORT_EVERY == 0:
                self._report(peer, now_ns)

    def _transport(self, peer: Peer) -> None:
        """Transport-wide feedback for every packet that came, whatever its SSRC."""
        media = next(iter(peer.lane.by_ssrc), 0)
        arrivals = self._forwarder.take_arrivals(peer.lane)
        for packet in peer.feedback.write(_OWN_SSRC, media, arrivals):
            self._forwarder.send_rtcp(peer.lane, packet)

    def _picture(self, peer: Peer, layer: Layer, now_ns: int) -> None:
        track = layer.track
        ssrc = track.source.ssrc
        if not ssrc:
            return
        numbers = self._forwarder.lost(track, now_ns)
        if numbers:
            self.nacked += len(numbers)
            self._forwarder.send_rtcp(peer.lane, nack(_OWN_SSRC, ssrc, numbers))
        wanted = track.needs_key and (track.live or track.arriving or track.tape is not None)
        if wanted and now_ns - layer.asked_ns >= KEY_FRAME_EVERY_NS:
            layer.asked_ns = now_ns
            self.key_frames_asked += 1
            self._forwarder.send_rtcp(peer.lane, picture_loss(_OWN_SSRC, ssrc))

    def _report(self, peer: Peer, now_ns: int) -> None:
        blocks: list[ReceiverBlock] = []
        for layer in peer.layers():
            track, ssrc = layer.track, layer.track.source.ssrc
            if not ssrc or track.highest < 0:
                continue
            expected = track.highest - track.base + 1
            due, came = expected - layer.expected_before, track.packets - layer.received_before
            layer.expected_before, layer.received_before = expected, track.packets
            lost = max(0, min(255, (due - came) * 256 // due)) if due > 0 else 0
            waited = (now_ns - layer.report_ns) * 65_536 // 1_000_000_000 if layer.report_ns else 0
            total = max(0, expected - track.packets)
            blocks.append(
                ReceiverBlock(ssrc, lost, track.highest, layer.report_ntp, min(waited, 0xFFFFFFFF), total)
            )
        if blocks:
            self._forwarder.send_rtcp(peer.lane, receiver_report(_OWN_SSRC, blocks[:31]))
