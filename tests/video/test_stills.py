"""Still pictures for thin lines: asked of whoever speaks, in small pieces, never over a border, and only JPEGs."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from video import stills
from video.errors import InvalidMessage
from video.peer import Sent
from video.stills import Stills, size_of_jpeg


def jpeg(width: int = 320, height: int = 180) -> bytes:
    picture = av.VideoFrame.from_ndarray(np.zeros((height, width, 3), np.uint8), format="rgb24")
    out = io.BytesIO()
    with av.open(out, "w", format="mjpeg") as container:
        stream = container.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p"
        container.mux(stream.encode(picture.reformat(format="yuvj420p")))
        container.mux(stream.encode(None))
    return out.getvalue()


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


@dataclass(eq=False)
class Somebody:
    """As much of a participant as stills look at."""

    id: str
    peer: Any
    told: list[dict[str, Any]] = field(default_factory=list)

    def tell(self, message: dict[str, Any]) -> None:
        self.told.append(message)


class Room:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 100.0
        monkeypatch.setattr(stills.time, "monotonic", lambda: self.now_s)
        self.sent = Sent("1", "video", "camera", "VP8", [])
        sent = {"1": self.sent}
        self.slot = SimpleNamespace(mid="3", kind="video", held=True, allowed=True, sent=self.sent)
        self.speaker = Somebody("speaker", SimpleNamespace(sent=sent, slots={}))
        self.thin = Somebody("thin", SimpleNamespace(sent={}, slots={"3": self.slot}))
        people = {one.id: one for one in (self.speaker, self.thin)}
        self.stills = Stills(people, lambda: {self.sent: self.speaker})  # pyright: ignore[reportArgumentType]

    def pass_s(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.05)):
            self.now_s += 0.05
            self.stills.beat()

    def give(self, data: str, ask: int | None = None) -> None:
        asked = ask if ask is not None else self.speaker.told[-1]["ask"]
        self.stills.take(self.speaker, asked, "1", data)  # pyright: ignore[reportArgumentType]


def test_a_thin_line_gets_stills_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(monkeypatch)
    room.pass_s(0.1)
    assert room.speaker.told == [{"type": "show", "ask": 1, "mid": "1", "width": 320, "bytes": 8_000}]
    picture = jpeg()
    room.give(encoded(picture))
    room.pass_s(0.5)
    assert 0 < len(room.thin.told) <= 4
    room.pass_s(2)
    pieces = room.thin.told
    assert [piece["part"] for piece in pieces] == list(range(pieces[0]["of"]))
    assert base64.b64decode("".join(piece["data"] for piece in pieces)) == picture
    assert all(len(piece["data"]) <= stills.PIECE for piece in pieces)
    room.pass_s(3)
    assert len(room.speaker.told) >= 2


def test_nobody_is_asked_while_every_line_is_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(monkeypatch)
    room.slot.held = False
    room.pass_s(10)
    assert room.speaker.told == []


def test_a_page_that_never_answers_is_asked_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(monkeypatch)
    room.pass_s(60)
    assert 20 <= len(room.speaker.told) <= 31
    assert room.thin.told == []


def test_nothing_crosses_a_border_not_even_the_rest_of_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(monkeypatch)
    room.pass_s(0.1)
    room.give(encoded(jpeg()))
    room.pass_s(0.1)
    before = len(room.thin.told)
    assert before
    room.slot.allowed = False
    room.stills.forget()
    room.pass_s(5)
    assert len(room.thin.told) == before
    asked = room.speaker.told[-1]["ask"]
    room.give(encoded(jpeg()), asked)  # made before the border was drawn: comes too late
    room.slot.allowed = True
    room.pass_s(0.1)
    assert len(room.thin.told) == before


@pytest.mark.parametrize(
    "data",
    [
        "not base64!",
        encoded(b"GIF89a"),
        encoded(jpeg()[:40]),
        encoded(jpeg(1_280, 720)),
        encoded(jpeg() + bytes(stills.BYTES_MAX * 2)),
    ],
)
def test_only_a_small_jpeg_is_passed_on(monkeypatch: pytest.MonkeyPatch, data: str) -> None:
    room = Room(monkeypatch)
    room.pass_s(0.1)
    with pytest.raises(InvalidMessage):
        room.give(data)


def test_what_nobody_asked_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(monkeypatch)
    with pytest.raises(InvalidMessage):
        room.give(encoded(jpeg()), 7)


def test_a_jpeg_says_its_size() -> None:
    assert size_of_jpeg(jpeg(320, 176)) == (320, 176)


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda tail: b"\xff\xd8\xff" + tail))
def test_any_bytes_may_be_asked_for_their_size(data: bytes) -> None:
    size_of_jpeg(data)
