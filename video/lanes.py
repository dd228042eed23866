"""The words of the hot path: a lane for each peer, tracks that peers send, subscriptions on which others get them.

Plain values and accounts; ``video.tables`` changes them, ``video.forward`` carries packets along them, and
``video.native.handles`` has the same with everything that counts kept in C.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pylibsrtp import Session

from video.packets import TransportFeedback

Kind = Literal["audio", "video"]
Address = tuple[str, int]

LARGEST = 1600
"""Bytes of the largest datagram that is looked at: an Ethernet frame and room for tunnels."""
CACHED = 512
"""Packets of each video track that are kept for retransmission: over a second at 4 Mbit/s."""
MISSING_MAX = 128
NACK_TRIES = 5
NACK_EVERY_NS = 100_000_000
NACK_AFTER_NS = 20_000_000
PACKETS_A_TICK = 150
BURST = 900
RESENDS_A_TICK = 60
ARRIVALS_MAX = 2_000


class Tape(Protocol):
    """Where recorded packets go. No method blocks or raises. Times are ``time.monotonic_ns()``."""

    def write(self, arrival_ns: int, packet: bytes) -> None: ...

    def report(self, arrival_ns: int, packet: bytes) -> None:
        """A sender report of this track (RTCP), by which tracks are aligned."""
        ...

    def mark(self, kind: str, **facts: Any) -> None:
        """Something that happened to this track: join, leave, caucus, mute..."""
        ...


class Control(Protocol):
    """What is not the hot path's work. Called from the receive loop; must return soon and never raise."""

    def on_stun(self, data: bytes, address: Address) -> None: ...

    def on_dtls(self, lane: "Lane", data: bytes) -> None: ...

    def on_rtcp(self, lane: "Lane", data: bytes) -> None:
        """One compound RTCP packet, decrypted and authenticated."""
        ...

    def on_unknown(self, lane: "Lane", packet: bytes) -> None:
        """One RTP packet of an SSRC that is not bound yet, decrypted and authenticated."""
        ...

    def on_stray(self, address: Address) -> None: ...


@dataclass(frozen=True, slots=True)
class Source:
    """What a peer sends: numbers as its offer and our answer agreed. 0 means: not known, not used."""

    kind: Kind
    codec: str
    clock_rate: int
    payload_type: int
    rtx_payload_type: int = 0
    ssrc: int = 0
    rtx_ssrc: int = 0


@dataclass(frozen=True, slots=True)
class Sink:
    """How a subscriber wants it. ``extension_id`` is abs-send-time's for video, the audio level's for audio."""

    payload_type: int
    ssrc: int
    rtx_payload_type: int = 0
    rtx_ssrc: int = 0
    extension_id: int = 0


@dataclass(slots=True)
class Counters:
    """Everything that went through, and everything that did not. Only ever growing."""

    received: int = 0
    sent: int = 0
    stray: int = 0  # from an address that no peer proved
    early: int = 0  # before the keys
    oversized: int = 0
    malformed: int = 0
    forged: int = 0  # did not decrypt
    flooded: int = 0
    unknown: int = 0
    duplicate: int = 0
    send_failed: int = 0
    resent: int = 0
    recovered: int = 0
    overflow: int = 0  # came faster than Python could take it up from the C path
    nacked: int = 0
    key_frames_asked: int = 0


@dataclass(slots=True, eq=False)
class Lane:
    """One peer as the hot path sees it."""

    name: str
    address: Address | None = None
    sessions: tuple[Session, Session] | None = None
    rx: Any = None
    tx: Any = None
    twcc_id: int = 0
    level_id: int = 0
    by_ssrc: dict[int, "Track"] = field(default_factory=dict)
    by_rtx: dict[int, "Track"] = field(default_factory=dict)
    arrivals: list[tuple[int, int]] = field(default_factory=list)
    told: TransportFeedback = field(default_factory=TransportFeedback)
    tokens: int = BURST
    resends: int = RESENDS_A_TICK
    received: int = 0
    heard_ns: int = 0
    cut: bool = False
    """Nothing is taken from or given to it: how tests unplug a cable."""


@dataclass(slots=True, eq=False)
class Track:
    """What one peer sends, one encoding of it."""

    lane: Lane | None
    source: Source
    live: list["Subscription"] = field(default_factory=list)
    arriving: list["Subscription"] = field(default_factory=list)
    cache: list[tuple[int, int, int, bytes] | None] = field(default_factory=list)
    """By ``extended % CACHED``: extended sequence, marker bit, timestamp, payload."""
    missing: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Extended sequence -> tries, time of the next one."""
    base: int = 0
    highest: int = -1
    last_timestamp: int = 0
    last_ns: int = 0
    packets: int = 0
    octets: int = 0
    key_frames: int = 0
    needs_key: bool = False
    asked_ns: int = 0
    """When the publisher was last asked for a key frame."""
    report_ntp: int = 0
    report_ns: int = 0
    """The middle of its last sender report's time, and when that came."""
    expected_before: int = 0
    received_before: int = 0
    level: int = 127
    heard: Callable[[int, bytes], None] | None = None
    tape: Tape | None = None
    closed: bool = False


@dataclass(slots=True, eq=False)
class Subscription:
    """One track on its way to one peer. ``track`` may change (``Forwarder.layer``), the SSRC never does."""

    lane: Lane
    sink: Sink
    track: Track | None
    target: Track | None = None
    """The track that is being switched to, from its next key frame on."""
    paused: bool = False
    anchor: int = 0
    seq_offset: int = 0
    ts_offset: int = 0
    next_seq: int = field(default_factory=lambda: secrets.randbelow(1 << 15))
    last_timestamp: int = field(default_factory=lambda: secrets.randbits(31))
    last_ns: int = 0
    running: bool = False
    rtx_seq: int = field(default_factory=lambda: secrets.randbelow(1 << 15))
    extension: int = 0
    extension_mask: int = 0
    packets: int = 0
    octets: int = 0
