"""Reading a track's tape back: every record on one clock, then a survey, then the frames with times and the gaps."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from video.recording.blocks import DESCRIPTION, MARK, RTCP, RTP, START, Damage, PartReader, unpack_records
from video.recording.depacketize import Assembler, Dropped, Frame, assembler, opus_is_stereo
from video.recording.errors import PacketMalformed, TapeUnreadable, TrackInvalid
from video.recording.model import Codec, Track
from video.recording.order import Missing, Reorder
from video.recording.rtp import parse_rtp, parse_sender_reports
from video.recording.streams import SILENT_NS, Placed, Stream, StreamFinder
from video.recording.tape import tape_parts

_SETTLE_NS = 3_000_000_000  # two streams of one track may overlap that long
_MAX_GAPS = 10_000
_MAX_MARKS = 10_000


@dataclass(frozen=True, slots=True)
class Clock:
    """The first description's clocks: what the monotonic clock said at a time of day, and during which boot."""

    boot: str
    monotonic_ns: int
    wall_ns: int

    def wall_at(self, local_ns: int) -> int:
        return self.wall_ns + local_ns - self.monotonic_ns

    def offset_of(self, other: Clock) -> int:
        """To be added to times of another boot of the machine: only the wall clock connects the two."""
        if other.boot == self.boot:
            return 0
        return (other.wall_ns - other.monotonic_ns) - (self.wall_ns - self.monotonic_ns)


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that is not in the media file, and why: "lost" (packets that never came), "undecodable" (frames left
    out up to the next key frame), "nothing_arrived", "not_written" (disk or memory full). ns on the session's clock.
    """

    kind: str
    from_ns: int
    to_ns: int
    count: int
    reason: str = ""


@dataclass(slots=True)
class Part:
    """A tape file as read: where its chain ended, and what of it could not be used."""

    path: Path
    blocks: int = 0
    last_block: int = -1
    chain_end: str = ""
    damage: list[Damage] = field(default_factory=list[Damage])


@dataclass(slots=True)
class Survey:
    """What a first reading finds."""

    track: Track
    clock: Clock
    parts: list[Part]
    streams: list[Stream]
    marks: list[dict[str, Any]]
    packets: int = 0
    bytes: int = 0
    malformed: int = 0
    stray: int = 0
    unknown: int = 0
    first_ns: int | None = None
    last_ns: int | None = None
    closed: bool = False
    not_written: list[Gap] = field(default_factory=list[Gap])


@dataclass(slots=True)
class Outcome:
    """What a second reading adds."""

    frames: int = 0
    keys: int = 0
    duplicates: int = 0
    late: int = 0
    lost: int = 0
    left_out: int = 0
    gaps: list[Gap] = field(default_factory=list[Gap])
    gaps_not_listed: int = 0
    sizes: list[tuple[int, int, int]] = field(default_factory=list[tuple[int, int, int]])  # ns, width, height

    def add(self, gap: Gap) -> None:
        if len(self.gaps) < _MAX_GAPS:
            self.gaps.append(gap)
        else:
            self.gaps_not_listed += 1


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """`at_ns` on the session's clock; `for_ns` is 0 when how long it lasts is not known."""

    at_ns: int
    frame: Frame
    codec: Codec
    for_ns: int


Progress = Callable[[int], None]


def stems(folder: Path) -> list[str]:
    """The tracks a folder has tapes of, as "<participant>.<track>"."""
    return sorted({path.name[: -len(".0001.tape")] for path in folder.glob("*.*.[0-9][0-9][0-9][0-9].tape")})


class TrackTape:
    """All parts of one track's tape."""

    def __init__(self, folder: Path, stem: str, progress: Progress = lambda count: None) -> None:
        self._paths = tape_parts(folder, stem)
        self._progress = progress
        self.track, self.clock = self._first_description()
        self.base = self.clock
        self.parts: list[Part] = []
        self._offset = 0  # from the clock of the boot being read to the session's

    @property
    def bytes(self) -> int:
        return sum(path.stat().st_size for path in self._paths)

    def _first_description(self) -> tuple[Track, Clock]:
        for path in self._paths:
            for record in PartReader(path).records():
                if record.kind == DESCRIPTION:
                    described = _described(record.data)
                    if described is not None:
                        return described
        raise TapeUnreadable("no block with a description is whole")

    def _records(self) -> Iterator[tuple[int, int, bytes, dict[int, Codec]]]:
        """Kind, time on the session's clock, bytes, and what the payload types mean."""
        self.parts = []
        number, digest = -1, START
        codecs, self._offset = dict(self.track.codecs), 0
        for path in self._paths:
            reader = PartReader(path, number=number, digest=digest)
            part = Part(path, damage=reader.damage)
            self.parts.append(part)
            for block in reader.blocks():
                for record in unpack_records(block.payload):
                    if record.kind == DESCRIPTION and (described := _described(record.data)):
                        codecs = {**codecs, **described[0].codecs}
                        self._offset = self.base.offset_of(described[1])
                    yield record.kind, record.at_ns + self._offset, record.data, codecs
                self._progress(block.size)
            number, digest = reader.number, reader.digest
            part.blocks, part.last_block, part.chain_end = reader.read, number, digest.hex()

    def survey(self) -> Survey:
        """First reading: streams, clocks, marks. Also fits each stretch's timeline."""
        finder = StreamFinder()
        found = Survey(self.track, self.base, [], finder.streams, [])
        for kind, at_ns, data, codecs in self._records():
            if kind == RTP:
                self._survey_packet(found, finder, at_ns, data, codecs)
            elif kind == RTCP:
                for report in parse_sender_reports(data):
                    finder.report(report)
            elif kind == MARK:
                _note_mark(found, at_ns, data, self._offset)
            if codecs != found.track.codecs:
                found.track = replace(found.track, codecs=codecs)
        found.parts = self.parts
        found.stray, found.unknown = finder.stray, finder.unknown
        for stream in finder.streams:
            for stretch in stream.stretches:
                stretch.fit()
        return found

    def _survey_packet(
        self, found: Survey, finder: StreamFinder, at_ns: int, data: bytes, codecs: dict[int, Codec]
    ) -> None:
        found.packets += 1
        found.bytes += len(data)
        if found.first_ns is None:
            found.first_ns = at_ns
        found.last_ns = at_ns
        try:
            packet = parse_rtp(data)
        except PacketMalformed:
            found.malformed += 1
            return
        for placed in finder.place(packet, at_ns, codecs.get(packet.payload_type)):
            stream = placed.stream
            if not stream.stereo and stream.codec.name == "opus":
                stream.stereo = opus_is_stereo(placed.packet.payload)

    def frames(self, survey: Survey) -> tuple[Iterator[TimedFrame], Outcome]:
        """Second reading: frames sorted by time; the outcome is complete once they are all taken."""
        outcome = Outcome()
        outcome.gaps += survey.not_written
        return _settled(self._frames(survey, outcome)), outcome

    def _frames(self, survey: Survey, outcome: Outcome) -> Iterator[TimedFrame]:
        lanes: dict[int, _Lane] = {}
        retired: list[Stream] = []
        finder = StreamFinder(retired.append)
        last_ns: int | None = None
        for kind, at_ns, data, codecs in self._records():
            if kind != RTP:
                continue
            if last_ns is not None and at_ns - last_ns > SILENT_NS:
                outcome.add(Gap("nothing_arrived", last_ns, at_ns, 0))
            last_ns = at_ns
            try:
                packet = parse_rtp(data)
            except PacketMalformed:
                continue
            for placed in finder.place(packet, at_ns, codecs.get(packet.payload_type)):
                index = placed.stream.index
                lane = lanes.get(index)
                if lane is None:
                    lane = lanes[index] = _Lane(survey.streams[index], outcome)
                yield from lane.push(placed)
            while retired:
                yield from lanes.pop(retired.pop().index).flush()
        finder.finish()
        for stream in retired:
            yield from lanes.pop(stream.index).flush()
        outcome.gaps.sort(key=lambda gap: (gap.from_ns, gap.to_ns))


class _Lane:
    """One stream's way from packets to frames."""

    def __init__(self, stream: Stream, outcome: Outcome) -> None:
        self._stream = stream
        self._outcome = outcome
        self._reorder: Reorder[Placed] = Reorder()
        self._assembler: Assembler | None = assembler(stream.codec.name)
        self._missing = 0
        self._last = 0  # timestamp of the packet before
        self._dropped: tuple[int, int, str] | None = None  # timestamp of the first, how many, why
        self._size: tuple[int, int] | None = None

    def push(self, placed: Placed) -> Iterator[TimedFrame]:
        for item in self._reorder.push(placed.number, placed):
            yield from self._take(item)

    def flush(self) -> Iterator[TimedFrame]:
        for item in self._reorder.flush():
            yield from self._take(item)
        if self._assembler is not None:
            yield from self._emit(self._assembler.flush())
        self._end_drops(self._last)
        self._outcome.duplicates += self._reorder.duplicates
        self._outcome.late += self._reorder.late

    def _take(self, item: Placed | Missing) -> Iterator[TimedFrame]:
        work = self._assembler
        if isinstance(item, Missing):
            self._missing += item.count
            self._outcome.lost += item.count
            if work is not None:
                yield from self._emit(work.lost(item.count))
            return
        if self._missing:
            local = self._stream.local_ns
            self._outcome.add(Gap("lost", local(self._last), local(item.timestamp), self._missing))
            self._missing = 0
        self._last = item.timestamp
        if work is not None:
            yield from self._emit(work.push(item.timestamp, item.packet))

    def _emit(self, results: Iterator[Frame | Dropped]) -> Iterator[TimedFrame]:
        stream, outcome = self._stream, self._outcome
        for result in results:
            if isinstance(result, Dropped):
                first, count, why = self._dropped or (result.timestamp, 0, result.why)
                self._dropped = (first, count + 1, why)
                outcome.left_out += 1
                continue
            if self._dropped is not None:
                self._end_drops(result.timestamp)
            at_ns = stream.local_ns(result.timestamp)
            outcome.frames += 1
            outcome.keys += result.key
            if result.size is not None and self._size != (result.size.width, result.size.height):
                self._size = (result.size.width, result.size.height)
                outcome.sizes.append((at_ns, *self._size))
            yield TimedFrame(
                at_ns, result, stream.codec, result.ticks * 1_000_000_000 // stream.codec.clock_rate
            )

    def _end_drops(self, timestamp: int) -> None:
        if self._dropped is not None:
            first, count, why = self._dropped
            self._dropped = None
            local = self._stream.local_ns
            self._outcome.add(
                Gap("undecodable", local(first), max(local(first), local(timestamp)), count, why)
            )


def _settled(frames: Iterator[TimedFrame]) -> Iterator[TimedFrame]:
    """Sorted by time, within a bounded look-ahead."""
    heap: list[tuple[int, int, TimedFrame]] = []
    newest = 0
    for count, frame in enumerate(frames):
        heapq.heappush(heap, (frame.at_ns, count, frame))
        newest = max(newest, frame.at_ns)
        while heap and newest - heap[0][0] > _SETTLE_NS:
            yield heapq.heappop(heap)[2]
    while heap:
        yield heapq.heappop(heap)[2]


def _described(data: bytes) -> tuple[Track, Clock] | None:
    try:
        facts = json.loads(data)
        clock = Clock(str(facts["boot"]), int(facts["monotonic_ns"]), int(facts["wall_ns"]))
        return Track.from_description(facts), clock
    except (ValueError, KeyError, TypeError, TrackInvalid, RecursionError, OverflowError):
        return None


def _note_mark(found: Survey, at_ns: int, data: bytes, offset: int) -> None:
    try:
        facts = json.loads(data)
        kind = str(facts.pop("kind"))
        if kind == "end":
            found.closed = True
        elif kind == "gap":
            began, ended = int(facts["from_ns"]) + offset, int(facts["to_ns"]) + offset
            found.not_written.append(
                Gap("not_written", began, ended, int(facts["packets"]), str(facts["reason"]))
            )
        elif len(found.marks) < _MAX_MARKS:
            found.marks.append({"at_ns": at_ns, "kind": kind, "facts": facts})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        found.malformed += 1
