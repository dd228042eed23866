"""Which packets of a tape belong together: streams (one SSRC, one codec, numbers going on) with stretches.

The same finder runs twice over a tape, to survey it and to take the frames out, and decides alike both times.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from video.recording.model import Codec
from video.recording.order import MAX_JUMP, step16, step32
from video.recording.rtp import Rtp, SenderReport
from video.recording.timeline import Stretch

_BREAK_NS = 1_500_000_000  # timestamps that are so far off what the arrival says have jumped
SILENT_NS = 2_000_000_000  # so long without a packet is a gap by itself
_EXPIRE_NS = 2_000_000_000
_MIDDLE = 1 << 39
_STRETCH = 40  # bits of a timestamp below the stretch's index
_MAX_STREAMS = 1000
_MAX_STRETCHES = 1000


@dataclass(slots=True)
class Stream:
    """`stretches[-1]` is the one under way."""

    index: int
    ssrc: int
    payload_type: int
    codec: Codec
    number: int = 0
    suspect: tuple[Rtp, int] | None = None
    stretches: list[Stretch] = field(default_factory=list[Stretch])
    packets: int = 0
    first_ns: int = 0
    last_ns: int = 0
    stereo: bool = False

    def local_ns(self, timestamp: int) -> int:
        """From an unwrapped timestamp, as `Placed` has it, to the recording machine's clock."""
        stretch = self.stretches[timestamp >> _STRETCH]
        return stretch.local_ns((timestamp & ((1 << _STRETCH) - 1)) - _MIDDLE)


@dataclass(frozen=True, slots=True)
class Placed:
    """A packet with its place: `number` and `timestamp` unwrapped, comparable inside the stream only."""

    stream: Stream
    number: int
    timestamp: int
    arrival_ns: int
    packet: Rtp


class StreamFinder:
    """`stray` counts packets that fit nowhere, `unknown` those whose payload type no codec was named for."""

    def __init__(self, retire: Callable[[Stream], None] = lambda stream: None) -> None:
        """`retire` hears of streams to which no packet will come any more."""
        self.streams: list[Stream] = []
        self.stray = 0
        self.unknown = 0
        self._live: dict[int, Stream] = {}  # the current one and the one before it
        self._retire = retire

    def place(self, packet: Rtp, arrival_ns: int, codec: Codec | None) -> list[Placed]:
        """Where the packet belongs; with it perhaps one that was held back. Empty for a stray one."""
        if codec is None:
            self.unknown += 1
            return []
        if len(self._live) > 1:
            self._expire(packet.ssrc, arrival_ns)
        stream = self._live.get(packet.ssrc)
        step = step16(packet.sequence, stream.number & 0xFFFF) if stream else 0
        if stream is None or stream.codec != codec or (step > 1 and arrival_ns - stream.last_ns > SILENT_NS):
            # What was sent during a silence (a caucus, a line that was gone) was not lost between packets that came.
            stream = self._begin(packet, arrival_ns, codec)
            return [self._put(stream, packet, arrival_ns, 0)] if stream else []
        if abs(step) <= MAX_JUMP:
            stream.suspect = None
            return [self._put(stream, packet, arrival_ns, step)]
        held, stream.suspect = stream.suspect, (packet, arrival_ns)
        self.stray += 1
        if held is None or step16(packet.sequence, held[0].sequence) != 1:
            return []
        self.stray -= 2
        begun = self._begin(held[0], held[1], codec)
        if begun is None:
            return []
        return [self._put(begun, held[0], held[1], 0), self._put(begun, packet, arrival_ns, 1)]

    def report(self, report: SenderReport) -> None:
        stream = self._live.get(report.ssrc)
        if stream is not None:
            stretch = stream.stretches[-1]
            stretch.note_report(report.ntp_ns, stretch.ticks + step32(report.timestamp, stretch.newest))

    def finish(self) -> None:
        """The tape ends here: survey what was seen."""
        for stream in list(self._live.values()):
            self._retire(stream)
        self._live.clear()

    def _begin(self, packet: Rtp, arrival_ns: int, codec: Codec) -> Stream | None:
        if len(self.streams) >= _MAX_STREAMS:
            self.stray += 1
            return None
        # 65536: numbers of packets that are late stay positive, whatever the first number is
        stream = Stream(len(self.streams), packet.ssrc, packet.payload_type, codec, 0x10000 + packet.sequence)
        stream.first_ns = stream.last_ns = arrival_ns
        self._begin_stretch(stream, packet, arrival_ns)
        self.streams.append(stream)
        replaced = self._live.pop(packet.ssrc, None)
        gone = [replaced] if replaced else []
        while len(self._live) > 1:
            gone.append(self._live.pop(next(iter(self._live))))
        self._live[packet.ssrc] = stream
        for one in gone:
            self._retire(one)
        return stream

    def _expire(self, ssrc: int, arrival_ns: int) -> None:
        """What came before the present stream ends once nothing more came of it for a while."""
        for other in list(self._live.values()):
            if other.ssrc != ssrc and arrival_ns - other.last_ns > _EXPIRE_NS:
                self._retire(self._live.pop(other.ssrc))

    def _begin_stretch(self, stream: Stream, packet: Rtp, arrival_ns: int) -> None:
        stretch = Stretch(stream.codec.clock_rate, arrival_ns, newest=packet.timestamp)
        stretch.first_number = stream.number if stream.stretches else 0
        stream.stretches.append(stretch)

    def _put(self, stream: Stream, packet: Rtp, arrival_ns: int, step: int) -> Placed:
        number = stream.number + step
        ahead = step > 0 or not stream.packets
        if step > 0:
            stream.number = number
            if packet.timestamp != stream.stretches[-1].newest and self._jumped(stream, packet, arrival_ns):
                self._begin_stretch(stream, packet, arrival_ns)
        index = len(stream.stretches) - 1
        while index and number < stream.stretches[index].first_number:
            index -= 1
        stretch = stream.stretches[index]
        ticks = stretch.ticks + step32(packet.timestamp, stretch.newest)
        if ahead:
            stretch.newest, stretch.ticks = packet.timestamp, ticks
            stretch.note(ticks, arrival_ns)
        stream.packets += 1
        stream.last_ns = max(stream.last_ns, arrival_ns)
        ticks = max(-_MIDDLE, min(ticks, _MIDDLE - 1))
        return Placed(stream, number, (index << _STRETCH) + _MIDDLE + ticks, arrival_ns, packet)

    def _jumped(self, stream: Stream, packet: Rtp, arrival_ns: int) -> bool:
        if len(stream.stretches) >= _MAX_STRETCHES:
            return False
        stretch = stream.stretches[-1]
        ticks = stretch.ticks + step32(packet.timestamp, stretch.newest)
        return abs(stretch.delay_ns(ticks, arrival_ns) - stretch.least_delay_ns()) > _BREAK_NS
