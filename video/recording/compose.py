"""One film of everybody, made afterwards: `python -m video.recording.compose FOLDER` writes film.mp4.

A grid with a tile for each participant (and each document camera), all sound mixed. Where there is no picture for two
seconds a still card stands in its place. The film is a derivative for looking at; the originals are only read. Low
priority, progress as `video.recording.mux` prints it; SIGTERM calls it off and removes what was half made.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import av.filter
from av.audio.resampler import AudioResampler
from av.codec import Codec
from av.codec.codec import UnknownCodecError
from av.container import InputContainer
from av.video.reformatter import VideoReformatter

from video.recording.errors import Cancelled, ComposeFailed, ManifestInvalid, RecordingError
from video.recording.evidence import EvidenceProvider, digests_of
from video.recording.manifest import SEAL, load, write_sealed
from video.recording.mux import be_quiet, folder_for_oneself, key_of, say_line
from video.recording.tape import MANIFEST
from video.recording.verify import FILM, FILM_SEAL

FILM_FILE = "film.mp4"
RATE = 48000
CARD_AFTER_MS = 2000
_ENCODERS = ("libx264", "libopenh264", "h264_v4l2m2m", "mpeg4")
_STATEMENT = "a derivative for viewing, composed from the media files; the tapes are the evidence"

Say = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Format:
    """Size in pixels (even), pictures per second."""

    width: int = 1280
    height: int = 720
    fps: int = 15


@dataclass(frozen=True, slots=True)
class Box:
    """A tile's place in the film; all even."""

    left: int
    top: int
    width: int
    height: int


def grid(count: int, form: Format) -> list[Box]:
    """Tiles of equal size, row by row."""
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    width, height = form.width // columns & ~1, form.height // rows & ~1
    return [Box(at % columns * width, at // columns * height, width, height) for at in range(count)]


class Canvas:
    """A yuv420p picture as three byte arrays, into which tiles are copied row by row."""

    def __init__(self, form: Format) -> None:
        self._form = form
        self._planes = [
            (bytearray(b"\x10") * (form.width * form.height), form.width, 1),
            (bytearray(b"\x80") * (form.width * form.height // 4), form.width // 2, 2),
            (bytearray(b"\x80") * (form.width * form.height // 4), form.width // 2, 2),
        ]

    def fill(self, box: Box, luma: int) -> None:
        for index, (plane, stride, part) in enumerate(self._planes):
            line = bytes([luma if index == 0 else 128]) * (box.width // part)
            for row in range(box.height // part):
                at = (box.top // part + row) * stride + box.left // part
                plane[at : at + len(line)] = line

    def paste(self, box: Box, frame: av.VideoFrame) -> None:
        """A frame of at most the box's size, centred."""
        self.fill(box, 16)
        left = box.left + ((box.width - frame.width) // 2 & ~1)
        top = box.top + ((box.height - frame.height) // 2 & ~1)
        for (plane, stride, part), source in zip(self._planes, frame.planes, strict=True):
            view, width = memoryview(source), frame.width // part
            for row in range(frame.height // part):
                at = (top // part + row) * stride + left // part
                plane[at : at + width] = view[row * source.line_size : row * source.line_size + width]

    def card(self, box: Box) -> None:
        """The still card: a grey plate with the two bars of "pause"."""
        self.fill(box, 52)
        unit = max(2, min(box.width, box.height) // 16 & ~1)
        middle, top = box.left + (box.width // 2 & ~1), box.top + (box.height // 2 - 2 * unit & ~1)
        for left in (middle - 2 * unit, middle + unit):
            self.fill(Box(left & ~1, top, unit, 4 * unit), 140)

    def voice_card(self, box: Box) -> None:
        """For somebody who is heard only, by telephone: five bars of sound."""
        self.fill(box, 52)
        unit = max(2, min(box.width, box.height) // 24 & ~1)
        middle, centre = box.left + (box.width // 2 & ~1), box.top + (box.height // 2 & ~1)
        for number, height in enumerate((2, 4, 6, 4, 2)):
            left = middle + (2 * number - 5) * unit
            self.fill(Box(left & ~1, centre - height * unit // 2 & ~1, unit, height * unit), 140)

    def frame(self) -> av.VideoFrame:
        made = av.VideoFrame(self._form.width, self._form.height, "yuv420p")
        for (content, stride, _), plane in zip(self._planes, made.planes, strict=True):
            if plane.line_size == stride:
                plane.update(bytes(content))
            else:
                spare = bytes(plane.line_size - stride)
                rows = (content[at : at + stride] + spare for at in range(0, len(content), stride))
                plane.update(b"".join(rows))
        return made


class Tile:
    """The pictures of one media file, shown in a box. A file of sound alone shows a card of its own."""

    def __init__(self, path: Path, began_ms: int, box: Box, stack: ExitStack) -> None:
        self._box = box
        self._began_ms = began_ms
        container = stack.enter_context(av.open(str(path)))
        self._seen = bool(container.streams.video)
        self._frames = self._decoded(container)
        self._next = next(self._frames, None)
        self._shown: tuple[int, av.VideoFrame] | None = None
        self._card = False
        self._drawn_ms = -1
        self._scaler = VideoReformatter()

    def _decoded(self, container: InputContainer) -> Iterator[tuple[int, av.VideoFrame]]:
        if not self._seen:
            return
        stream = container.streams.video[0]
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                continue  # the picture before stands a little longer
            for frame in frames:
                if isinstance(frame, av.VideoFrame) and frame.pts is not None and frame.time_base:
                    yield self._began_ms + round(float(frame.pts * frame.time_base) * 1000), frame

    def draw(self, at_ms: int, canvas: Canvas) -> None:
        while self._next is not None and self._next[0] <= at_ms:
            self._shown, self._next = self._next, next(self._frames, None)
        if self._shown is None or at_ms - self._shown[0] > CARD_AFTER_MS:
            if not self._card:
                draw = canvas.card if self._seen else canvas.voice_card
                draw(self._box)
            self._card, self._drawn_ms = True, -1
            return
        shown_ms, frame = self._shown
        if shown_ms != self._drawn_ms:
            canvas.paste(self._box, self._fitted(frame))
            self._card, self._drawn_ms = False, shown_ms

    def _fitted(self, frame: av.VideoFrame) -> av.VideoFrame:
        share = min(self._box.width / frame.width, self._box.height / frame.height)
        width, height = max(2, int(frame.width * share) & ~1), max(2, int(frame.height * share) & ~1)
        return self._scaler.reformat(frame, width, height, "yuv420p")


class Sound:
    """One sound stream as 48 kHz mono, each frame at its own time, silence in between."""

    def __init__(self, path: Path, index: int, began_ms: int, stack: ExitStack) -> None:
        self._began_ms = began_ms
        self._blocks = self._decoded(path, index, stack)
        self._next = next(self._blocks, None)

    def _decoded(self, path: Path, index: int, stack: ExitStack) -> Iterator[tuple[int, bytes]]:
        container = stack.enter_context(av.open(str(path)))
        resampler = AudioResampler(format="s16", layout="mono", rate=RATE)
        for packet in container.demux(container.streams.audio[index]):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                continue
            for frame in frames:
                if not isinstance(frame, av.AudioFrame) or frame.pts is None or not frame.time_base:
                    continue
                at = self._began_ms * RATE // 1000 + round(float(frame.pts * frame.time_base) * RATE)
                for made in resampler.resample(frame):
                    yield at, bytes(made.planes[0])[: 2 * made.samples]
                    at += made.samples

    def take(self, begin: int, count: int) -> bytes:
        """`count` samples from sample `begin` on. Must be asked for one after the other."""
        taken = bytearray(2 * count)
        while self._next is not None and self._next[0] < begin + count:
            at, block = self._next
            skip = max(0, begin - at)
            room = begin + count - at
            piece = block[2 * skip : 2 * room]
            place = 2 * (at + skip - begin)
            taken[place : place + len(piece)] = piece
            if len(block) > 2 * room:
                self._next = begin + count, block[2 * room :]
            else:
                self._next = next(self._blocks, None)
        return bytes(taken)


class Mixer:
    """Adds sounds up, second by second; what gets too loud is limited by libavfilter's own sum."""

    def __init__(self, sounds: list[Sound]) -> None:
        self._sounds = sounds
        self._graph = av.filter.Graph()
        form = {"format": "s16", "sample_rate": RATE, "layout": "mono", "time_base": Fraction(1, RATE)}
        self._inputs = [self._graph.add_abuffer(**form) for _ in sounds]
        mix = self._graph.add("amix", f"inputs={len(sounds)}:normalize=0")
        for number, one in enumerate(self._inputs):
            one.link_to(mix, 0, number)
        self._sink = self._graph.add("abuffersink")
        mix.link_to(self._sink)
        self._graph.configure()

    def take(self, begin: int, count: int) -> Iterator[av.AudioFrame]:
        for sound, entrance in zip(self._sounds, self._inputs, strict=True):
            frame = av.AudioFrame(format="s16", layout="mono", samples=count)
            plane = frame.planes[0]
            data = sound.take(begin, count)
            plane.update(data + bytes(plane.buffer_size - len(data)))
            frame.sample_rate, frame.pts, frame.time_base = RATE, begin, Fraction(1, RATE)
            entrance.push(frame)
        while True:
            try:
                made = self._sink.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            if isinstance(made, av.AudioFrame):
                yield made


def process(
    folder: Path,
    seal: EvidenceProvider,
    say: Say = lambda share, step: None,
    *,
    cancelled: Callable[[], bool] = lambda: False,
    form: Format = Format(),
) -> bool:
    """Make film.mp4 with film.json and its seal. Returns False when they are there already.

    Raises ``StillRunning``, ``ManifestInvalid``, ``ComposeFailed``, ``Cancelled``, OSError.
    """
    with folder_for_oneself(folder):
        if (folder / FILM).exists() and (folder / FILM_SEAL).exists() and (folder / FILM_FILE).exists():
            return False
        if not (folder / SEAL).exists():
            raise ManifestInvalid("the recording is not sealed yet")
        manifest = load(folder / MANIFEST)
        part = folder / f"{FILM_FILE}.part"
        try:
            duration_ms = _film(folder, manifest, part, form, say, cancelled)
            with part.open("rb") as file:
                os.fsync(file.fileno())
            part.replace(folder / FILM_FILE)
        except (av.error.FFmpegError, KeyError, TypeError, ValueError) as error:
            raise ComposeFailed(f"the film could not be made ({type(error).__name__})") from error
        finally:
            part.unlink(missing_ok=True)
        digests, source = digests_of(folder / FILM_FILE), digests_of(folder / MANIFEST)
        film = {"file": FILM_FILE, "size": digests.size, "sha256": digests.sha256, "sm3": digests.sm3}
        facts = {
            "version": 1,
            "films": [{**film, "duration_ms": duration_ms}],
            "made_from": {"file": MANIFEST, "sha256": source.sha256, "sm3": source.sm3},
            "statement": _STATEMENT,
        }
        write_sealed(folder, FILM, FILM_SEAL, facts, seal)
        return True


def _film(
    folder: Path,
    manifest: dict[str, Any],
    target: Path,
    form: Format,
    say: Say,
    cancelled: Callable[[], bool],
) -> int:
    media = manifest["media"]
    if not media:
        raise ComposeFailed("there is nothing to show")
    zero = min(int(one["began_ms"]) for one in media)
    duration_ms = max(int(one["began_ms"]) + int(one["duration_ms"]) for one in media) - zero
    with ExitStack() as stack:
        boxes = grid(len(media), form)
        tiles, sounds = [], []
        for one, box in zip(media, boxes, strict=True):
            path, began_ms = folder / one["file"], int(one["began_ms"]) - zero
            tiles.append(Tile(path, began_ms, box, stack))
            with av.open(str(path)) as container:
                count = len(container.streams.audio)
            sounds += [Sound(path, index, began_ms, stack) for index in range(count)]
        output = stack.enter_context(
            av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"})
        )
        _write(output, tiles, sounds, duration_ms, form, say, cancelled)
    return duration_ms


def _write(
    output: Any,
    tiles: list[Tile],
    sounds: list[Sound],
    duration_ms: int,
    form: Format,
    say: Say,
    cancelled: Callable[[], bool],
) -> None:
    picture = output.add_stream(_encoder(), rate=form.fps)
    picture.width, picture.height, picture.pix_fmt = form.width, form.height, "yuv420p"
    picture.thread_count = 1
    if picture.codec_context.name == "libx264":
        picture.options = {"preset": "veryfast", "crf": "25"}
    voice = output.add_stream("aac", rate=RATE, layout="mono") if sounds else None
    mixer = Mixer(sounds) if sounds else None
    canvas = Canvas(form)
    frames = max(1, -(-duration_ms * form.fps // 1000))
    for number in range(frames):
        if cancelled():
            raise Cancelled("called off")
        if mixer is not None and voice is not None and number % form.fps == 0:
            begin = number // form.fps * RATE
            count = min(RATE, duration_ms * RATE // 1000 - begin)
            for block in mixer.take(begin, count) if count > 0 else ():
                output.mux(voice.encode(block))
        for tile in tiles:
            tile.draw(number * 1000 // form.fps, canvas)
        frame = canvas.frame()
        frame.pts, frame.time_base = number, Fraction(1, form.fps)
        output.mux(picture.encode(frame))
        if number % form.fps == 0:
            say(number / frames, "film")
    for stream in (picture, voice):
        if stream is not None:
            output.mux(stream.encode(None))


def _encoder() -> str:
    """The H.264 encoder that is there; MPEG-4 part 2 where there is none."""
    for name in _ENCODERS:
        try:
            Codec(name, "w")
        except UnknownCodecError:
            continue
        return name
    raise ComposeFailed("no encoder for the film is installed")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m video.recording.compose", description="One film of everybody."
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--key", help="the local seal's key file (made if missing)")
    given = parser.parse_args(arguments)
    be_quiet()
    called_off: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: called_off.append(number))
    try:
        seal = key_of(given.folder, given.key)
        made = process(given.folder, seal, say_line, cancelled=lambda: bool(called_off))
    except (RecordingError, OSError, ValueError) as error:
        code = getattr(error, "code", "recording.disk" if isinstance(error, OSError) else "recording.error")
        print(json.dumps({"error": code, "text": str(error)}), flush=True)
        return 1
    say_line(1.0, "done" if made else "done before")
    return 0


if __name__ == "__main__":
    sys.exit(main())
