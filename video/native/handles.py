# pyright: reportIncompatibleVariableOverride=false
# The fields of lanes, tracks and subscriptions are properties here: what they say stands in C.
"""Handles of C objects, each to its users what its parent in ``video.forward`` is."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from video.forward import Counters, Lane, Sink, Source, Subscription, Track
from video.native.build import load

if TYPE_CHECKING:
    from video.native.forwarder import NativeForwarder

_module = load()
_ffi, _lib = _module.ffi, _module.lib
LAYER, PAUSE, SINK = 1, 2, 3
"""Kinds of change."""
_CODECS = {"VP8": 1, "H264": 2}


def made(pointer: Any) -> Any:
    if pointer == _ffi.NULL:
        raise MemoryError("no memory for the video port")
    return pointer


def _read(name: str, kind: Callable[[Any], Any] = int) -> Any:
    """A number that C keeps up to date."""

    def get(self: Any) -> Any:
        return kind(getattr(self._c, name))

    return property(get)


def _read_settled(name: str) -> Any:
    """The same, once the changes that wait for ``at_once`` to end are made."""

    def get(self: Any) -> Any:
        self._forwarder.settle()
        return bool(getattr(self._c, name))

    return property(get)


class NativeCounters(Counters):
    """The account that C keeps."""

    def __init__(self, wire: Any) -> None:
        self._c = wire

    def __getattribute__(self, name: str) -> Any:
        if name in _COUNTED:
            return getattr(object.__getattribute__(self, "_c").tally, name)
        return object.__getattribute__(self, name)


_COUNTED = frozenset(one.name for one in fields(Counters))


class NativeLane(Lane):
    received = _read("received")
    heard_ns = _read("heard_ns")
    tokens = _read("tokens")
    resends = _read("resends")

    def __init__(self, forwarder: "NativeForwarder", name: str, number: int) -> None:
        self._forwarder = forwarder
        self._c = _ffi.gc(made(_lib.lane_open(forwarder.wire, number)), _lib.lane_free)
        self._cut = False
        self.number = number
        self.name = name
        self.address = None
        self.sessions = None
        self.by_ssrc = {}
        self.by_rtx = {}

    @property
    def cut(self) -> bool:
        return self._cut

    @cut.setter
    def cut(self, value: bool) -> None:
        self._cut = value
        _lib.lane_cut(self._c, value)

    @property
    def arrivals(self) -> Sequence[object]:
        """How many there are, as something that has a length; ``take_arrivals`` gives them."""
        return range(self._c.arrived)


class _Missing:
    """What a track's gaps look like from outside."""

    def __init__(self, track: Any) -> None:
        self._c = track

    def __len__(self) -> int:
        return self._c.missed

    def clear(self) -> None:
        if self._c.missed:
            _lib.track_forget_missing(self._c)


class NativeTrack(Track):
    base = _read("base")
    highest = _read("highest")
    last_timestamp = _read("last_timestamp")
    last_ns = _read("last_ns")
    packets = _read("packets")
    octets = _read("octets")
    key_frames = _read("key_frames")
    level = _read("level")

    def __init__(self, forwarder: "NativeForwarder", lane: Lane | None, source: Source, number: int) -> None:
        self._forwarder = forwarder
        of = lane._c if isinstance(lane, NativeLane) else _ffi.NULL
        pointer = _lib.track_publish(
            forwarder.wire,
            of,
            number,
            source.kind == "video",
            _CODECS.get(source.codec, 0),
            source.clock_rate,
            source.payload_type,
            source.rtx_payload_type,
            source.ssrc,
        )
        self._c = _ffi.gc(made(pointer), _lib.track_free)
        self.number = number
        self.lane = lane
        self.source = source
        self.missing = _Missing(self._c)  # pyright: ignore[reportAttributeAccessIssue]
        self.tape = self.heard = None
        self.closed = False
        self.untaped = 0

    @property
    def live(self) -> list[Subscription]:
        return self._forwarder.subscribers(self, arriving=False)

    @property
    def arriving(self) -> list[Subscription]:
        return self._forwarder.subscribers(self, arriving=True)

    @property
    def needs_key(self) -> bool:
        self._forwarder.settle()
        return bool(self._c.needs_key)

    @needs_key.setter
    def needs_key(self, value: bool) -> None:
        self._forwarder.settle()
        self._c.needs_key = value


class NativeSubscription(Subscription):
    packets = _read("packets")
    octets = _read("octets")
    anchor = _read("anchor")
    seq_offset = _read("seq_offset")
    ts_offset = _read("ts_offset")
    next_seq = _read("next_seq")
    rtx_seq = _read("rtx_seq")
    last_timestamp = _read("last_timestamp")
    last_ns = _read("last_ns")
    running = _read_settled("running")
    paused = _read_settled("paused")

    def __init__(
        self, forwarder: "NativeForwarder", lane: NativeLane, sink: Sink, number: int, *, paused: bool
    ) -> None:
        self._forwarder = forwarder
        numbers = secrets.randbelow(1 << 15), secrets.randbits(31), secrets.randbelow(1 << 15)
        self._c = _ffi.gc(made(_lib.sub_new(lane._c, number, paused, *numbers)), _lib.sub_free)
        self.number = number
        self.lane = lane
        self.sink = sink

    @property
    def sink(self) -> Sink:
        return self._sink

    @sink.setter
    def sink(self, sink: Sink) -> None:
        self._sink = sink
        self._forwarder.change(self, SINK, sink=sink)

    @property
    def track(self) -> Track | None:
        self._forwarder.settle()
        return self._forwarder.track_of(self._c.track)

    @property
    def target(self) -> Track | None:
        self._forwarder.settle()
        return self._forwarder.track_of(self._c.target)
