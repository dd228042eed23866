"""What a peer sends and the lines on which it receives, as rooms see them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from video.description import Codec
from video.errors import DescriptionRefused, NoCommonCodec
from video.lanes import Kind, Subscription, Track

What = Literal["microphone", "camera", "document", "screen"]


@dataclass(slots=True, eq=False)
class Layer:
    """One encoding of something sent."""

    track: Track
    rid: str = ""


@dataclass(slots=True, eq=False)
class Sent:
    """Something that this peer sends: one layer, or several of the same picture, best first (pages list them the other
    way round, and begin to send the smallest first)."""

    mid: str
    kind: Kind
    what: What
    codec: str
    layers: list[Layer]

    @property
    def start(self) -> Track:
        """What a receiver gets at first."""
        return self.layers[-1].track


@dataclass(slots=True, eq=False)
class Slot:
    """A line on which this peer receives. Who is to be heard or seen there may change without a new offer.

    ``seat`` groups a voice and a face; None for what stands alone. The forwarder is told to send only while it is
    ``allowed`` (the room's matrix), not ``held`` (the line is too thin), and the peer is ready.
    """

    mid: str
    kind: Kind
    seat: int | None
    codecs: Mapping[str, Codec]
    sub: Subscription
    extension_id: int
    sent: Sent | None = None
    allowed: bool = False
    held: bool = False
    loss: float = 0.0
    octets_before: int = 0

    @property
    def rid(self) -> str:
        current = self.sub.target or self.sub.track
        layers = self.sent.layers if self.sent else ()
        return next((one.rid for one in layers if one.track is current), "")


@dataclass(frozen=True, slots=True)
class Refused:
    """One line of an offer that was not taken, and why."""

    mid: str
    reason: NoCommonCodec | DescriptionRefused


@dataclass(frozen=True, slots=True)
class Answered:
    sdp: str
    refused: tuple[Refused, ...] = ()
    added: tuple[Sent, ...] = ()
    removed: tuple[Sent, ...] = ()
