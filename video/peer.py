"""One WebRTC connection of a participant: credentials, handshake, what it sends, the lines on which it receives."""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog

from video.answers import Negotiated, Published, Received, Transport, write_answer
from video.description import (
    LEVEL,
    MID,
    RID,
    SEND_TIME,
    TRANSPORT_WIDE,
    VIDEO_CODECS,
    Codec,
    Line,
    Offer,
    publishable,
    refuse_data,
    usable,
)
from video.dtls import Handshake, Identity
from video.errors import DescriptionRefused, HandshakeFailed, NoCommonCodec
from video.forward import Kind, Lane, Sink, Source
from video.guard import Rate
from video.lines import Answered, Layer, Refused, Sent, Slot, What
from video.packets import (
    KeyFrameWanted,
    MalformedPacket,
    Nack,
    ReceiverBlock,
    Remb,
    SenderReport,
    extensions_of,
    parse_rtcp,
    sender_report,
)
from video.port import Endpoint, Port

log = structlog.get_logger(__name__)

__all__ = ["Answered", "Layer", "Peer", "Refused", "Sent", "Slot", "What"]
SENT_MAX = 4
"""Tracks that one participant may send: microphone, camera, document camera, screen."""
_BINDS_A_SECOND = 20


@dataclass(slots=True)
class _Plan:
    """What an offer will change, worked out before anything is changed."""

    sent: dict[str, tuple[Line, Codec]] = field(default_factory=dict)
    slots: dict[str, Line] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)


class Peer:
    """``offer`` as often as the page likes; ``ready`` once keys are there; ``close`` at the end.

    ``changed`` is called when the peer became ready, failed or was closed by the other side.
    """

    via = "page"

    def __init__(self, port: Port, identity: Identity, name: str, changed: Callable[["Peer"], None]) -> None:
        self.name = name
        self.ready = False
        self.ended = False
        self.failure: HandshakeFailed | None = None
        self.sent: dict[str, Sent] = {}
        self.slots: dict[str, Slot] = {}
        self.estimate: int | None = None
        """The receiver's own estimate of its line in bit/s (REMB); None until there is one."""
        self.estimate_at_s = 0.0
        self.falls_s: deque[float] = deque(maxlen=8)
        """When the estimate fell by a tenth or more."""
        self.lane: Lane = port.forwarder.open(name)
        self._port = port
        self._forwarder = port.forwarder
        self._changed = changed
        self._endpoint = port.admit(self, self.lane)
        self._retiring: list[Endpoint] = []
        self._handshake = Handshake(identity.current(), self._send, self._closed_by_other)
        self._expected: tuple = ()
        self._agreed = Negotiated()
        self._task: asyncio.Task[None] | None = None
        self._by_ssrc: dict[int, Slot] = {}
        self._binds = Rate(_BINDS_A_SECOND)

    # ------------------------------------------------------------------ descriptions

    def offer(
        self, offer: Offer, named: Mapping[str, What], can_show: Callable[[str], bool] = lambda _: True
    ) -> Answered:
        """Agree to an offer, the first or a later one.

        Args:
            named: what the page says each line (mid) shows: camera, screen...
            can_show: whether everybody else in the room can decode a codec.

        Raises:
            DescriptionRefused: nothing was changed.
        """
        refuse_data(offer)
        first = not self._expected
        if not first and offer.fingerprints != self._expected:
            raise DescriptionRefused("another certificate needs a new peer")
        plan = self._plan(offer, can_show)
        self._expected = offer.fingerprints
        if not first and offer.ufrag != self._agreed.remote_ufrag:
            self._restart_ice()
        self._agreed.remote_ufrag = offer.ufrag
        added, removed = self._take_sent(plan, named)
        self._take_slots(plan)
        self._note_extensions(offer)
        self._agreed.version += 1
        transport = Transport(
            self._endpoint.ufrag,
            self._endpoint.password,
            self._handshake.fingerprint,
            tuple(self._port.candidates()),
        )
        agreed = self._agreed
        sdp = write_answer(offer, transport, agreed.published, agreed.received, agreed.version)
        return Answered(sdp, tuple(plan.refused), tuple(added), tuple(removed))

    def _plan(self, offer: Offer, can_show: Callable[[str], bool]) -> _Plan:
        plan = _Plan()
        known = {line.mid for line in offer.lines}
        if not known.issuperset(self._agreed.published) or not known.issuperset(self._agreed.received):
            raise DescriptionRefused("a media line of an earlier offer is missing")
        for line in offer.lines:
            if line.sends:
                if len(plan.sent) == SENT_MAX:
                    raise DescriptionRefused("more tracks than a participant may send")
                try:
                    plan.sent[line.mid] = (line, publishable(line, can_show))
                except NoCommonCodec as reason:
                    plan.refused.append(Refused(line.mid, reason))
            elif line.receives:
                if line.mid in self._agreed.received or _choices(line):
                    plan.slots[line.mid] = line
                else:
                    reason = NoCommonCodec(f"no codec of this {line.kind} line is known here")
                    plan.refused.append(Refused(line.mid, reason))
        numbers = [line.ssrc for line, _ in plan.sent.values() if line.ssrc and not line.rids]
        if len(set(numbers)) != len(numbers):
            raise DescriptionRefused("two tracks have the same SSRC")
        return plan

    def _take_sent(self, plan: _Plan, named: Mapping[str, What]) -> tuple[list[Sent], list[Sent]]:
        added: list[Sent] = []
        removed = [sent for mid, sent in self.sent.items() if mid not in plan.sent]
        for mid, (line, codec) in plan.sent.items():
            sent = self.sent.get(mid)
            if sent is not None and (
                sent.codec != codec.name
                or [one.rid for one in reversed(sent.layers)] != list(line.rids or ("",))
            ):
                removed.append(sent)
                sent = None
            if sent is None:
                added.append(self._publish(line, codec, named.get(mid)))
            elif line.ssrc and not line.rids:
                self._forwarder.bind(sent.start, line.ssrc, line.rtx_ssrc)
        for sent in removed:
            for layer in sent.layers:
                self._forwarder.unpublish(layer.track)
            self._agreed.published.pop(sent.mid, None)
            del self.sent[sent.mid]
        for sent in added:
            self.sent[sent.mid] = sent
            line, codec = plan.sent[sent.mid]
            self._agreed.received.pop(sent.mid, None)
            self._agreed.published[sent.mid] = Published(sent.mid, codec, line.rids)
        return added, removed

    def _publish(self, line: Line, codec: Codec, what: What | None) -> Sent:
        kind: Kind = "audio" if line.kind == "audio" else "video"
        base = Source(kind, codec.name, codec.clock_rate, codec.payload_type, codec.rtx)
        if line.rids:
            layers = [Layer(self._forwarder.publish(self.lane, base), rid) for rid in reversed(line.rids)]
        else:
            source = replace(base, ssrc=line.ssrc, rtx_ssrc=line.rtx_ssrc)
            layers = [Layer(self._forwarder.publish(self.lane, source))]
        if kind == "audio":
            what = "microphone"
        elif what is None or what == "microphone":
            what = "camera"
        return Sent(line.mid, kind, what, codec.name, layers)

    def _take_slots(self, plan: _Plan) -> None:
        for mid in [mid for mid in self.slots if mid not in plan.slots]:
            slot = self.slots.pop(mid)
            self._forwarder.unsubscribe(slot.sub)
            self._by_ssrc.pop(slot.sub.sink.ssrc, None)
            self._agreed.received.pop(mid, None)
        for mid, line in plan.slots.items():
            if mid not in self.slots:
                self._open_slot(line)

    def _open_slot(self, line: Line) -> None:
        codecs = _choices(line)
        first = codecs[0]
        kind: Kind = "audio" if line.kind == "audio" else "video"
        seat = self._free_seat(kind)
        extension_id = line.extensions.get(LEVEL if kind == "audio" else SEND_TIME, 0)
        rtx = secrets.randbits(31) + 1 if any(one.rtx for one in codecs) else 0
        sink = Sink(first.payload_type, secrets.randbits(31) + 1, first.rtx, rtx, extension_id)
        sub = self._forwarder.subscribe(self.lane, sink, paused=True)
        by_name = {one.name: one for one in codecs}
        slot = Slot(line.mid, kind, seat, by_name, sub, extension_id)
        self.slots[line.mid] = slot
        self._by_ssrc[sink.ssrc] = slot
        stream = f"seat-{seat}" if seat is not None else f"more-{line.mid}"
        self._agreed.received[line.mid] = Received(line.mid, tuple(codecs), sink.ssrc, rtx, stream)

    def _free_seat(self, kind: Kind) -> int | None:
        """A voice begins a new seat; a picture takes the first seat without one, else it stands alone."""
        taken = {slot.seat for slot in self.slots.values() if slot.kind == kind}
        if kind == "audio":
            return next(number for number in range(len(taken) + 1) if number not in taken)
        voices = sorted(
            slot.seat for slot in self.slots.values() if slot.kind == "audio" and slot.seat is not None
        )
        return next((seat for seat in voices if seat not in taken), None)

    def _note_extensions(self, offer: Offer) -> None:
        twcc = level = 0
        for line in offer.lines:
            if line.mid in self._agreed.published:
                twcc = twcc or line.extensions.get(TRANSPORT_WIDE, 0)
                level = level or (line.extensions.get(LEVEL, 0) if line.kind == "audio" else 0)
                self._mid_id = line.extensions.get(MID, 0)
                self._rid_id = line.extensions.get(RID, 0) or self._rid_id
        self._forwarder.extensions(self.lane, twcc=twcc, level=level)

    _mid_id: int = 0
    _rid_id: int = 0

    def _restart_ice(self) -> None:
        self._retiring.append(self._endpoint)
        self._endpoint = self._port.admit(self, self.lane)
        if len(self._retiring) > 2:
            self._port.retire(self._retiring.pop(0))

    def can_show(self, codec: str) -> bool:
        """Whether the lines on which this peer receives know this codec (True while it has none)."""
        lines = [slot for slot in self.slots.values() if slot.kind == "video"]
        return codec == "OPUS" or not lines or any(codec in slot.codecs for slot in lines)

    # ------------------------------------------------------------------ slots

    def show(self, slot: Slot, sent: Sent | None, *, allowed: bool) -> bool:
        """Put something on a line, or nothing. False when this peer cannot decode it: the line stays silent."""
        fits = sent is None or sent.codec in slot.codecs
        if not fits:
            sent = None
        slot.allowed = allowed and sent is not None
        if not slot.allowed:
            self.apply(slot)
        if sent is not None and slot.sent is not sent:
            codec = slot.codecs[sent.codec]
            slot.sub.sink = replace(
                slot.sub.sink, payload_type=codec.payload_type, rtx_payload_type=codec.rtx
            )
            slot.held = False
            self._forwarder.layer(slot.sub, sent.start)
        elif sent is None and slot.sent is not None:
            self._forwarder.layer(slot.sub, None)
        slot.sent = sent
        self.apply(slot)
        return fits

    def apply(self, slot: Slot) -> None:
        """Let the forwarder know whether this line carries anything now."""
        self._forwarder.pause(slot.sub, not (self.ready and slot.allowed and not slot.held))

    def switch(self, slot: Slot, rid: str) -> None:
        """Another layer of what is on this line; unknown ones change nothing."""
        for layer in slot.sent.layers if slot.sent else ():
            if layer.rid == rid:
                self._forwarder.layer(slot.sub, layer.track)

    def layers(self) -> Iterator[Layer]:
        for sent in self.sent.values():
            yield from sent.layers

    # ------------------------------------------------------------------ what the port hands up

    def on_path(self) -> None:
        for endpoint in self._retiring if self._endpoint.proven else ():
            self._port.retire(endpoint)
        if self._endpoint.proven:
            self._retiring.clear()
        if self._task is None and self._expected and not self.ended:
            self._task = asyncio.create_task(self._connect())

    def on_dtls(self, data: bytes) -> bool:
        return self._handshake.feed(data)

    def on_rtcp(self, data: bytes) -> bool:
        try:
            reports = parse_rtcp(data)
        except MalformedPacket:
            return False
        for report in reports:
            if isinstance(report, SenderReport):
                self._pass_report(report, data)
            elif isinstance(report, Remb):
                now_s = time.monotonic()
                if self.estimate is not None and report.bits_per_second < 0.9 * self.estimate:
                    self.falls_s.append(now_s)
                self.estimate, self.estimate_at_s = report.bits_per_second, now_s
            elif (slot := self._by_ssrc.get(report.ssrc)) is not None:
                if isinstance(report, Nack):
                    for number in report.numbers:
                        self._forwarder.resend(slot.sub, number)
                elif isinstance(report, KeyFrameWanted):
                    if slot.sub.track is not None and not slot.sub.paused:
                        slot.sub.track.needs_key = slot.kind == "video"
                elif isinstance(report, ReceiverBlock):
                    slot.loss = report.fraction_lost / 256
        return True

    def on_unknown(self, packet: bytes) -> None:
        """An SSRC that the offer did not name: known by its MID and RID, or by being the only one left."""
        if not self._binds.take():
            return
        ssrc = int.from_bytes(packet[8:12], "big")
        payload_type = packet[1] & 0x7F
        extensions = extensions_of(packet)
        mid = extensions.get(self._mid_id, b"").decode("ascii", "replace") if self._mid_id else ""
        rid = extensions.get(self._rid_id, b"").decode("ascii", "replace") if self._rid_id else ""
        if mid:
            layers = self.sent[mid].layers if mid in self.sent else []
        else:
            layers = [one for one in self.layers() if one.track.source.payload_type == payload_type]
            bound = set(self.lane.by_ssrc.values())
            layers = [one for one in layers if one.track not in bound]
        layers = [one for one in layers if one.rid == rid] if rid else layers
        if len(layers) == 1 and layers[0].track.source.payload_type == payload_type:
            self._forwarder.bind(layers[0].track, ssrc)

    # ------------------------------------------------------------------ life

    async def _connect(self) -> None:
        try:
            inbound, outbound = await self._handshake.run(self._expected)
        except HandshakeFailed as failure:
            self.failure = failure
            self.ended = True
            self._changed(self)
            return
        except Exception:  # a fault of ours or of a library: this peer is lost, the room is not
            log.exception("a handshake broke")
            self.failure = HandshakeFailed("broken")
            self.ended = True
            self._changed(self)
            return
        if self.ended:
            return
        self._forwarder.keys(self.lane, inbound, outbound)
        self.ready = True
        for slot in self.slots.values():
            self.apply(slot)
        self._changed(self)

    def _send(self, data: bytes) -> None:
        if self.lane.address is not None and not self.lane.cut:
            self._forwarder.send_raw(data, self.lane.address)

    def _closed_by_other(self) -> None:
        if not self.ended:
            self.ended = True
            self._changed(self)

    def _pass_report(self, report: SenderReport, data: bytes) -> None:
        track = self.lane.by_ssrc.get(report.ssrc)
        if track is None:
            return
        now_ns = time.monotonic_ns()
        self._forwarder.reported(track, report.ntp, now_ns)
        if track.tape is not None:
            track.tape.report(now_ns, data)
        for sub in track.live:
            stamp = (report.timestamp + sub.ts_offset) & 0xFFFFFFFF
            own = SenderReport(sub.sink.ssrc, report.ntp, stamp)
            self._forwarder.send_rtcp(sub.lane, sender_report(own, sub.packets, sub.octets, "seat"))

    async def close(self) -> None:
        """Give everything back and say good-bye to the other side. May be called twice."""
        self.ended = True
        self.ready = False
        for sent in self.sent.values():
            for layer in sent.layers:
                self._forwarder.unpublish(layer.track)
        for slot in self.slots.values():
            self._forwarder.unsubscribe(slot.sub)
        if self._task is not None:
            self._task.cancel()
        await self._handshake.close()
        self._port.forget(self.lane)
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)


def _choices(line: Line) -> Sequence[Codec]:
    """The codecs of a receiving line that the bridge may use on it."""
    names = ("OPUS",) if line.kind == "audio" else VIDEO_CODECS
    return [codec for name in names if (codec := usable(line, name)) is not None]
