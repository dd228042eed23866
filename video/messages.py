"""The frames that a page may send, checked. protocol.md says what they mean; nothing else is read."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from video.errors import InvalidMessage, WrongVersion

VERSION = 1
FRAME_MAX = 160_000
"""Bytes of the largest frame: an offer, escaped."""

_Id = Annotated[str, Field(min_length=1, max_length=64)]
_Mid = Annotated[str, Field(min_length=1, max_length=16)]


class _Frame(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    id: int = Field(default=0, ge=0, le=2**53)


class Hello(_Frame):
    type: Literal["hello"]
    v: int
    token: str = Field(default="", max_length=2_000)
    resume: str = Field(default="", max_length=64)


class OfferFrame(_Frame):
    type: Literal["offer"]
    peer: int = Field(ge=1, le=1_000_000)
    sdp: str = Field(max_length=120_000)
    tracks: dict[_Mid, Literal["microphone", "camera", "document", "screen"]] = Field(
        default_factory=dict, max_length=8
    )


class Heartbeat(_Frame):
    type: Literal["heartbeat"]


class Admit(_Frame):
    type: Literal["admit"]
    participant: _Id


class SendBack(_Frame):
    type: Literal["send_back"]
    participant: _Id


class Remove(_Frame):
    type: Literal["remove"]
    participant: _Id


class Mute(_Frame):
    type: Literal["mute"]
    participant: _Id
    kind: Literal["audio", "video"]
    muted: bool


class Caucus(_Frame):
    type: Literal["caucus"]
    groups: list[Annotated[list[_Id], Field(max_length=8)]] = Field(max_length=8)


class Chat(_Frame):
    type: Literal["chat"]
    text: str = Field(min_length=1, max_length=2_000)


class Caption(_Frame):
    type: Literal["caption"]
    text: str = Field(max_length=500)
    final: bool = True


class LayerFrame(_Frame):
    type: Literal["layer"]
    mid: _Mid
    rid: str = Field(max_length=16)


class Freeze(_Frame):
    type: Literal["freeze"]
    participant: _Id
    what: Literal["camera", "document", "screen"] = "camera"


class PictureFrame(_Frame):
    """A still picture that the bridge asked for with ``show``."""

    type: Literal["picture"]
    ask: int = Field(ge=1, le=2**53)
    mid: _Mid
    data: str = Field(min_length=4, max_length=24_000)


class Leave(_Frame):
    type: Literal["leave"]


class EndRoom(_Frame):
    type: Literal["end"]


Frame = (
    Hello
    | OfferFrame
    | Heartbeat
    | Admit
    | SendBack
    | Remove
    | Mute
    | Caucus
    | Chat
    | Caption
    | LayerFrame
    | PictureFrame
    | Freeze
    | Leave
    | EndRoom
)
_FRAMES: TypeAdapter[Any] = TypeAdapter(Annotated[Frame, Field(discriminator="type")])


_BEAT = Heartbeat(type="heartbeat")
_BEAT_TEXT = '{"type":"heartbeat"}'
"""As every page writes it, each second: not worth a parser."""


def parse_frame(text: str | bytes) -> Frame:
    """One frame of a page.

    Raises:
        InvalidMessage: not JSON, not an object of the protocol, or out of bounds.
        WrongVersion: a ``hello`` of another version.
    """
    if text == _BEAT_TEXT:
        return _BEAT
    if len(text) > FRAME_MAX:
        raise InvalidMessage("too long")
    try:
        frame: Frame = _FRAMES.validate_json(text)
    except (ValidationError, ValueError, RecursionError) as error:
        raise InvalidMessage("not a frame of this protocol") from error
    if isinstance(frame, Hello) and frame.v != VERSION:
        raise WrongVersion(f"version {frame.v}")
    return frame
