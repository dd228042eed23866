"""What a recording is made of, as plain values: codecs, tracks, and what a tape tells while it runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from video.recording.errors import TrackInvalid

Kind = Literal["audio", "video"]
MAIN = "main"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Codec:
    """What a payload type stands for: `name` in lower case ("opus", "vp8", "h264", "pcmu", "pcma"), clock in Hz."""

    name: str
    clock_rate: int
    channels: int = 1


@dataclass(frozen=True, slots=True)
class Track:
    """One track of one participant. Names are ids (letters, digits, - and _, at most 64), never people's names.

    `codecs` maps payload types to codecs. Tracks of a participant with the same `bundle` come into one media file;
    give a document camera a bundle of its own. Raises ``TrackInvalid``.
    """

    session: str
    participant: str
    name: str
    kind: Kind
    codecs: Mapping[int, Codec] = field(default_factory=dict[int, Codec])
    bundle: str = MAIN

    def __post_init__(self) -> None:
        for what in (self.session, self.participant, self.name, self.bundle):
            if not isinstance(what, str) or not _NAME.fullmatch(what):
                raise TrackInvalid("ids are 1 to 64 letters, digits, - and _")
        if self.kind not in ("audio", "video"):
            raise TrackInvalid("a track is audio or video")

    @property
    def stem(self) -> str:
        """How the track's files begin. A dot, which no id has, keeps "a-b"."c" and "a"."b-c" apart."""
        return f"{self.participant}.{self.name}"

    def described(self) -> dict[str, Any]:
        """As written into a tape's description record."""
        codecs = {
            str(payload_type): {"name": one.name, "clock_rate": one.clock_rate, "channels": one.channels}
            for payload_type, one in sorted(self.codecs.items())
        }
        return {
            "session": self.session,
            "participant": self.participant,
            "track": self.name,
            "kind": self.kind,
            "bundle": self.bundle,
            "codecs": codecs,
        }

    @classmethod
    def from_description(cls, facts: Mapping[str, Any]) -> Track:
        """The reverse of `described`. Raises ``TrackInvalid`` for anything else."""
        try:
            codecs = {
                int(key): Codec(str(one["name"]), int(one["clock_rate"]), int(one["channels"]))
                for key, one in facts["codecs"].items()
            }
            track = cls(
                facts["session"], facts["participant"], facts["track"], facts["kind"], codecs, facts["bundle"]
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise TrackInvalid("the description of a track has something missing") from error
        if any(not 1000 <= codec.clock_rate <= 384_000 for codec in codecs.values()):
            raise TrackInvalid("a codec's clock rate is impossible")
        return track


@dataclass(frozen=True, slots=True)
class TapeEvent:
    """Something the room must know about its recording. Told from the recorder's thread or the hot path: be quick."""

    track: Track


@dataclass(frozen=True, slots=True)
class TapeFailed(TapeEvent):
    """Nothing can be written (`reason`: "disk_full", "disk_error", "sealed", "internal"): say so in the room."""

    reason: str


@dataclass(frozen=True, slots=True)
class TapeResumed(TapeEvent):
    """Writing works again. What did not fit into memory meanwhile was told as `PacketsDropped`."""


@dataclass(frozen=True, slots=True)
class PacketsDropped(TapeEvent):
    """Packets are being left out since `from_ns` (arrival): the memory kept for a slow disk is full."""

    from_ns: int


@dataclass(frozen=True, slots=True)
class TapeAnchored(TapeEvent):
    """The chain's state, told every minute: noted in an event log, it proves that the tape up to here is the one."""

    block: int
    digest: str


@dataclass(frozen=True, slots=True)
class TapeClosed(TapeEvent):
    """The tape is closed: the chain's end, how many packets it holds, how many were left out."""

    block: int
    digest: str
    packets: int
    dropped: int
