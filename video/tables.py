"""Who is where and who gets what of whom: lanes, tracks, subscriptions, and every change that rooms make to them."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from pylibsrtp import Session

from video.lanes import (
    CACHED,
    NACK_EVERY_NS,
    NACK_TRIES,
    Address,
    Lane,
    Sink,
    Source,
    Subscription,
    Tape,
    Track,
)


class Tables:
    """What the hot path looks up. Not thread-safe."""

    def __init__(self) -> None:
        self._lanes: dict[Address, Lane] = {}
        self._all: dict[Lane, None] = {}

    def at_once(self) -> AbstractContextManager[None]:
        """What ``layer``, ``pause`` and a new ``sink`` change within takes effect together, when the block ends: no
        packet passes between the first change and the last."""
        return nullcontext()

    # ------------------------------------------------------------------ lanes

    def open(self, name: str) -> Lane:
        """A lane without address and keys: nothing passes it yet."""
        lane = Lane(name)
        self._all[lane] = None
        return lane

    def move(self, lane: Lane, address: Address) -> None:
        """The peer proved that it is to be found at this address."""
        if lane.address is not None and self._lanes.get(lane.address) is lane:
            del self._lanes[lane.address]
        lane.address = address
        self._lanes[address] = lane

    def keys(self, lane: Lane, inbound: Session, outbound: Session) -> None:
        """From now on RTP is decrypted and encrypted with these."""
        lane.sessions = (inbound, outbound)
        lane.rx = inbound._srtp[0]
        lane.tx = outbound._srtp[0]

    def extensions(self, lane: Lane, *, twcc: int, level: int) -> None:
        """Which header extensions this peer sends: transport-wide numbers and audio level; 0 for none."""
        lane.twcc_id, lane.level_id = twcc, level

    def close(self, lane: Lane) -> None:
        """Nothing passes it any more. Its tracks and subscriptions are to be closed by their owner."""
        self._all.pop(lane, None)
        if lane.address is not None and self._lanes.get(lane.address) is lane:
            del self._lanes[lane.address]
        lane.rx = lane.tx = None
        lane.by_ssrc.clear()
        lane.by_rtx.clear()

    # ------------------------------------------------------------------ publish, subscribe, layer, pause

    def publish(self, lane: Lane | None, source: Source) -> Track:
        """What this peer sends is taken from now on. ``lane`` is None for what is injected."""
        track = Track(lane, source, cache=[None] * (CACHED if source.kind == "video" else 0))
        if lane is not None and source.ssrc:
            self.bind(track, source.ssrc, source.rtx_ssrc)
        return track

    def bind(self, track: Track, ssrc: int, rtx_ssrc: int = 0) -> None:
        """The track's SSRC became known, or changed: its numbers begin anew, everybody waits for a key frame."""
        lane = track.lane
        if lane is None:
            return
        if lane.by_ssrc.get(ssrc) is not track:
            for known in [key for key, value in lane.by_ssrc.items() if value is track]:
                del lane.by_ssrc[known]
            lane.by_ssrc[ssrc] = track
            self._restart(track)
        track.source = replace(track.source, ssrc=ssrc, rtx_ssrc=rtx_ssrc or track.source.rtx_ssrc)
        if rtx_ssrc:
            for known in [key for key, value in lane.by_rtx.items() if value is track]:
                del lane.by_rtx[known]
            lane.by_rtx[rtx_ssrc] = track

    def unpublish(self, track: Track) -> None:
        """The peer sends it no more. Its subscriptions stay, silent, until they are given another track."""
        track.closed = True
        for sub in [*track.live, *track.arriving]:
            self._leave(sub)
        if track.lane is not None:
            for table in (track.lane.by_ssrc, track.lane.by_rtx):
                for known in [key for key, value in table.items() if value is track]:
                    del table[known]
        if track.tape is not None:
            track.tape.mark("leave")
        track.tape = track.heard = None

    def subscribe(
        self, lane: Lane, sink: Sink, track: Track | None = None, *, paused: bool = False
    ) -> Subscription:
        """Send this track to this peer, from its next key frame on."""
        sub = Subscription(lane, sink, None, paused=paused)
        self.layer(sub, track)
        return sub

    def layer(self, sub: Subscription, track: Track | None) -> None:
        """Send another track on this subscription: another layer of the same camera (the old one goes on until the
        new one's key frame), or somebody else. None: nothing."""
        old = sub.track
        same = (
            old is not None
            and track is not None
            and old.lane is track.lane
            and not sub.paused
            and sub.running
        )
        if track is old and sub.target is None:
            return
        self._leave(sub, keep=same)
        if track is None or track.closed:
            return
        if not same:
            sub.track = track
        else:
            sub.target = track if track is not old else None
            if sub.target is None:
                return
        kind_bits = 2 << 24 if track.source.kind == "video" else 0
        known = sub.sink.extension_id
        sub.extension = (known << 28) | kind_bits if known else 0
        sub.extension_mask = (0xFFFFFF if track.source.kind == "video" else 0xFF0000) if known else 0
        if not sub.paused:
            self._arrive(sub, track)

    def pause(self, sub: Subscription, paused: bool) -> None:
        """Stop or resume one subscription. When this returns with True, no later packet goes out on it."""
        if sub.paused == paused:
            return
        track = sub.target or sub.track
        self._leave(sub)
        sub.paused = paused
        sub.track = track
        if track is not None and not paused and not track.closed:
            self._arrive(sub, track)

    def unsubscribe(self, sub: Subscription) -> None:
        self._leave(sub)

    def tap(self, track: Track, heard: Callable[[int, bytes], None] | None) -> None:
        """Hand each payload (timestamp, payload) to ``heard`` as well; None ends it."""
        track.heard = heard

    def record(self, track: Track, tape: Tape | None) -> None:
        """Hand each packet to ``tape`` as well; None ends it at once."""
        track.tape = tape

    def lost(self, track: Track, now_ns: int) -> list[int]:
        """Sequence numbers to ask the publisher for again now. What was asked for often enough is given up, and a
        key frame is wanted instead."""
        if not track.missing:
            return []
        wanted: list[int] = []
        for extended, (tries, due_ns) in list(track.missing.items()):
            if due_ns > now_ns:
                continue
            if tries >= NACK_TRIES:
                del track.missing[extended]
                track.needs_key = track.source.kind == "video"
                continue
            track.missing[extended] = (tries + 1, now_ns + NACK_EVERY_NS)
            wanted.append(extended & 0xFFFF)
        return wanted

    def reported(self, track: Track, ntp: int, now_ns: int) -> None:
        """A sender report of this track came; ``ntp`` is its time, 32.32 fixed point seconds since 1900."""
        track.report_ntp, track.report_ns = (ntp >> 16) & 0xFFFFFFFF, now_ns

    def take_arrivals(self, lane: Lane) -> list[tuple[int, int]]:
        """Transport-wide sequence numbers with arrival times in ns, in the order they came, since the last call."""
        arrivals, lane.arrivals = lane.arrivals, []
        return arrivals

    # ------------------------------------------------------------------ its own steps

    def _restart(self, track: Track) -> None:
        for sub in list(track.live):
            self._rest(sub)
            track.live.remove(sub)
            track.arriving.append(sub)
        track.highest, track.base, track.packets = -1, 0, 0
        track.expected_before = track.received_before = 0
        track.missing.clear()
        track.cache[:] = [None] * len(track.cache)
        track.needs_key = track.source.kind == "video"

    def _arrive(self, sub: Subscription, track: Track) -> None:
        track.arriving.append(sub)
        track.needs_key = track.source.kind == "video"

    def _begin(self, track: Track, extended: int, timestamp: int, now_ns: int) -> None:
        """Everybody who waited for this packet gets the track from here on."""
        arriving, track.arriving = track.arriving, []
        for sub in arriving:
            if sub.target is track:
                if sub.track is not None and sub in sub.track.live:
                    sub.track.live.remove(sub)
                    self._rest(sub)
                sub.track, sub.target = track, None
            elapsed_ns = now_ns - sub.last_ns if sub.last_ns else 0
            passed = max(1, elapsed_ns * track.source.clock_rate // 1_000_000_000)
            sub.anchor = extended
            sub.seq_offset = sub.next_seq - extended
            sub.ts_offset = sub.last_timestamp + passed - timestamp
            sub.running = True
            track.live.append(sub)

    def _leave(self, sub: Subscription, *, keep: bool = False) -> None:
        """Take it off every list; with ``keep`` what runs goes on and only a switch under way is given up."""
        if sub.target is not None:
            if sub in sub.target.arriving:
                sub.target.arriving.remove(sub)
            sub.target = None
        if keep or sub.track is None:
            return
        if sub in sub.track.live:
            sub.track.live.remove(sub)
            self._rest(sub)
        elif sub in sub.track.arriving:
            sub.track.arriving.remove(sub)
        sub.track = None

    def _rest(self, sub: Subscription) -> None:
        """Remember where its numbers stand, so that the next packet, whenever it comes, follows on."""
        track = sub.track
        if track is not None and sub.running and track.highest >= sub.anchor:
            sub.next_seq = (track.highest + sub.seq_offset + 1) & 0xFFFF
            sub.last_timestamp = (track.last_timestamp + sub.ts_offset) & 0xFFFFFFFF
            sub.last_ns = track.last_ns
        sub.running = False
