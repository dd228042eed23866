"""What recording costs: tape and mux against aiortc's MediaRecorder on the same media, in the same run.

`python -m tests.load.recording [SECONDS]`: a participant with VP8 640x360 at 25/s and about 300 kbit/s and opus. Prints
CPU milliseconds per media second of each step; the last line is for programs.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from aiortc import MediaStreamTrack
from aiortc.codecs.opus import OpusDecoder
from aiortc.codecs.vpx import Vp8Decoder, Vp8Encoder, vp8_depayload
from aiortc.contrib.media import MediaRecorder
from aiortc.jitterbuffer import JitterFrame
from aiortc.mediastreams import MediaStreamError

from tests.load.measure import say
from tests.support.media import Packet, picture, play, sound_sender, sounds, video_sender
from tests.support.tapes import seal_of, track
from video.recording import mux
from video.recording.reading import TrackTape
from video.recording.recorder import Recorder
from video.recording.tape import Limits

FPS, ROUNDS = 25, 3


def encoded(seconds: int) -> list[list[bytes]]:
    """Pictures with something moving in them, so that the bit rate is that of a camera."""
    encoder = Vp8Encoder()
    encoder.target_bitrate = 300_000
    made = []
    for number in range(seconds * FPS):
        frame = picture(number, 640, 360)
        frame.pts, frame.time_base = number * 90000 // FPS, Fraction(1, 90000)
        noise = bytes((number * 37 + at * 11) % 200 + 20 for at in range(640))
        content = bytearray(frame.planes[0])
        stride = frame.planes[0].line_size
        for row in range(100, 160):
            shift = (row * 7 + number * 3) % 320
            content[row * stride + 200 : row * stride + 520] = noise[shift : shift + 320]
        frame.planes[0].update(bytes(content))
        payloads, _ = encoder.encode(frame, force_keyframe=number % 250 == 0)
        made.append(payloads)
    return made


def cpu_ms(work: Callable[[], Any]) -> float:
    """User and system time of this process, all threads, while `work` runs."""
    begun = time.process_time()
    work()
    return (time.process_time() - begun) * 1000


def onto_tapes(folder: Path, camera: list[Packet], voice: list[Packet], seconds: int) -> None:
    """As live, only faster: flushed every quarter of a media second."""
    recorder = Recorder(lambda event: None, flush_s=60, limits=Limits(buffer_bytes=1 << 26))
    tapes = [(recorder.open(folder, track()), camera), (recorder.open(folder, track("mic", "audio")), voice)]
    for tape, packets in tapes:
        due = packets[0].arrival_ns
        for packet in packets:
            tape.write(packet.arrival_ns, packet.data)
            if packet.arrival_ns >= due:
                tape.work(packet.arrival_ns)
                due += 250_000_000
    recorder.stop()


def through_pyav(folder: Path, target: Path) -> None:
    """The same frames written by PyAV's muxer instead of our own."""
    with av.open(str(target), "w", format="matroska") as container:
        picture_stream = container.add_mux_stream("vp8", rate=None, width=640, height=360)
        sound_stream = container.add_mux_stream("opus", rate=48000)
        for stem, stream in (("p1.camera", picture_stream), ("p1.mic", sound_stream)):
            tape = TrackTape(folder, stem)
            frames, _ = tape.frames(tape.survey())
            first: int | None = None
            for timed in frames:
                first = timed.at_ns if first is None else first
                packet = av.Packet(timed.frame.data)
                packet.pts = packet.dts = (timed.at_ns - first) // 1_000_000
                packet.time_base, packet.stream = Fraction(1, 1000), stream
                packet.is_keyframe = timed.frame.key
                container.mux_one(packet)


class Ready(MediaStreamTrack):
    """Decoded frames as a track."""

    def __init__(self, kind: str, frames: Iterator[Any]) -> None:
        super().__init__()
        self.kind = kind
        self._frames = frames
        self.over = asyncio.Event()

    async def recv(self) -> Any:
        await asyncio.sleep(0)
        for frame in self._frames:
            return frame
        self.over.set()
        raise MediaStreamError


def pictures_decoded(camera: list[list[bytes]]) -> Iterator[Any]:
    decoder = Vp8Decoder()
    for number, payloads in enumerate(camera):
        data = b"".join(vp8_depayload(payload) for payload in payloads)
        yield from decoder.decode(JitterFrame(data=data, timestamp=number * 3600))


def sounds_decoded(voice: list[tuple[bytes, ...]]) -> Iterator[Any]:
    decoder = OpusDecoder()
    for number, (payload,) in enumerate(voice):
        yield from decoder.decode(JitterFrame(data=payload, timestamp=number * 960))


async def media_recorder(target: Path, camera: list[list[bytes]], voice: list[tuple[bytes, ...]]) -> None:
    """What aiortc does: decode every packet, encode it again into the file."""
    recorder = MediaRecorder(str(target))
    tracks = [Ready("audio", sounds_decoded(voice)), Ready("video", pictures_decoded(camera))]
    for one in tracks:
        recorder.addTrack(one)
    await recorder.start()
    for one in tracks:
        await one.over.wait()
    with suppress(MediaStreamError):
        await recorder.stop()


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def main(seconds: int) -> None:
    say(f"encoding {seconds} s of VP8 640x360 and opus")
    frames, voice = encoded(seconds), list(sounds(seconds * 50))
    camera_packets, voice_packets = video_sender().packets(frames), sound_sender().packets(voice)
    bits = sum(len(packet.data) for packet in camera_packets) * 8 // seconds
    say(f"{len(camera_packets) + len(voice_packets)} packets, picture {bits // 1000} kbit/s")
    tapes, muxes, pyavs, against = [], [], [], []
    work = Path(tempfile.mkdtemp(prefix="recording-"))
    try:
        for round_ in range(ROUNDS):
            folder = work / f"r{round_}" / "r"
            tapes.append(cpu_ms(lambda: onto_tapes(folder, camera_packets, voice_packets, seconds)))  # noqa: B023
            pyavs.append(cpu_ms(lambda: through_pyav(folder, folder.parent / "pyav.mkv")))  # noqa: B023
            muxes.append(cpu_ms(lambda: mux.process(folder, seal_of(folder))))  # noqa: B023
            target = work / f"r{round_}" / "against.mp4"
            against.append(cpu_ms(lambda: run(media_recorder(target, frames, voice))))  # noqa: B023
            each = [f"{one[-1] / seconds:.2f}" for one in (tapes, muxes, pyavs, against)]
            say(
                "CPU ms per media second: tape {}, mux and seal {}, PyAV's muxer {}, MediaRecorder {}".format(
                    *each
                )
            )
        played = play(next((work / "r0" / "r" / "media").iterdir()))
        say(
            f"ours holds {len(played.pictures)} of {len(frames)} pictures, {len(played.sound)} of {len(voice)} sounds"
        )
    finally:
        shutil.rmtree(work)
    tape, muxed, other = (statistics.median(one) / seconds for one in (tapes, muxes, against))
    say(f"median: tape {tape:.2f} + mux, manifest and seal {muxed:.2f} ms, MediaRecorder {other:.1f} ms")
    print(f"recording ratio={other / (tape + muxed):.0f} against={other:.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
