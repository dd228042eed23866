"""The film shows everybody, says where somebody was away, and leaves the originals alone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import av
import pytest

from tests.support.media import SECOND, pictures, play, sound_sender, sounds, video_sender
from tests.support.tapes import BEGIN_NS, muxed, put, seal_of, track
from video.recording import compose, jobs
from video.recording.compose import Format
from video.recording.errors import Cancelled, ComposeFailed, ManifestInvalid

SMALL = Format(320, 180, 10)


def recorded(folder: Path, codec: str = "vp8") -> None:
    """Two with pictures (one away from second 1 to 5) and one by telephone: sound alone, from second 1 on."""
    one = video_sender(codec, begins_ns=BEGIN_NS).packets(pictures(codec, 150))
    two = video_sender(codec, begins_ns=BEGIN_NS, ssrc=4)
    first = two.packets(pictures(codec, 25))
    two.begins_ns, two.ssrc = BEGIN_NS + 4 * SECOND, 5
    second = two.packets(pictures(codec, 50)[25:], 25)
    voice = sound_sender(begins_ns=BEGIN_NS + SECOND).packets(sounds(200))
    put(
        folder,
        [
            (track(), one, []),
            (track(participant="p2"), [*first, *second], []),
            (track("mic", "audio", "p3"), voice, []),
        ],
    )
    muxed(folder)


def luma(frame: av.VideoFrame, x: int, y: int) -> int:
    plane = frame.planes[0]
    return bytes(plane)[y * plane.line_size + x]


def test_everybody_is_in_the_film_and_a_gap_is_a_still_card(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    recorded(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert compose.process(folder, seal_of(folder), form=SMALL)
    assert all(path.read_bytes() == content for path, content in before.items())
    played = play(folder / "film.mp4")
    assert played.streams[1] == "aac"
    assert abs(played.duration_ms - 6000) <= 200
    with av.open(str(folder / "film.mp4")) as film:
        frames = list(film.decode(video=0))
    # two columns: p1 and p2 above, p3 below; the plate of a card is of luma 52, its bars of 140
    plate = (170, 80)
    assert abs(luma(frames[5], *plate) - 52) > 4
    assert abs(luma(frames[40], *plate) - 52) <= 4
    assert abs(luma(frames[57], *plate) - 52) > 4
    assert abs(luma(frames[30], 10, 100) - 52) <= 4


def test_sound_stands_at_its_time_in_the_film(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    recorded(folder)
    compose.process(folder, seal_of(folder), form=SMALL)
    loud: dict[int, float] = {}
    with av.open(str(folder / "film.mp4")) as film:
        for frame in film.decode(audio=0):
            samples = memoryview(bytes(frame.planes[0])).cast("f")[: frame.samples]
            at = round(float((frame.pts or 0) * (frame.time_base or 0)) * 10)
            loud[at] = max(loud.get(at, 0.0), max(abs(one) for one in samples))
    assert max(value for at, value in loud.items() if at < 9) < 0.01
    assert min(value for at, value in loud.items() if 12 < at < 48) > 0.1
    assert max(value for at, value in loud.items() if at > 52) < 0.01


def test_a_film_is_made_once(tmp_path: Path) -> None:
    recorded(tmp_path / "r")
    assert compose.process(tmp_path / "r", seal_of(tmp_path / "r"), form=SMALL)
    assert not compose.process(tmp_path / "r", seal_of(tmp_path / "r"), form=SMALL)


def test_calling_it_off_leaves_nothing_half_made(tmp_path: Path) -> None:
    recorded(tmp_path / "r")
    said: list[float] = []
    with pytest.raises(Cancelled):
        compose.process(
            tmp_path / "r",
            seal_of(tmp_path / "r"),
            lambda share, step: said.append(share),
            cancelled=lambda: len(said) > 2,
            form=SMALL,
        )
    assert not list((tmp_path / "r").glob("film*"))


async def test_cancelling_the_job_ends_it_and_leaves_nothing(tmp_path: Path) -> None:
    recorded(tmp_path / "r")
    begun = asyncio.Event()
    task = asyncio.create_task(
        jobs.run("compose", tmp_path / "r", tmp_path / "key", lambda share, step: begun.set())
    )
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not list((tmp_path / "r").glob("film*"))


def test_nothing_is_composed_before_the_seal(tmp_path: Path) -> None:
    put(tmp_path, [(track(), [], [])])
    with pytest.raises(ManifestInvalid):
        compose.process(tmp_path, seal_of(tmp_path), form=SMALL)


def test_a_broken_media_file_is_said_and_nothing_stays(tmp_path: Path) -> None:
    recorded(tmp_path / "r")
    (tmp_path / "r" / "media" / "p1.main.webm").write_bytes(b"no media")
    with pytest.raises(ComposeFailed):
        compose.process(tmp_path / "r", seal_of(tmp_path / "r"), form=SMALL)
    assert not list((tmp_path / "r").glob("film*"))


@pytest.mark.parametrize("count", range(1, 10))
def test_tiles_lie_inside_the_film_and_not_on_each_other(count: int) -> None:
    boxes = compose.grid(count, Format())
    for at, one in enumerate(boxes):
        assert one.left + one.width <= 1280
        assert one.top + one.height <= 720
        for other in boxes[at + 1 :]:
            apart = one.left + one.width <= other.left or other.left + other.width <= one.left
            assert apart or one.top + one.height <= other.top or other.top + other.height <= one.top
