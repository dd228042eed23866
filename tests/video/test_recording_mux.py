"""Media files made from tapes play, hold every frame that arrived, and stand at the right time."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.media import (
    SECOND,
    Packet,
    Sender,
    pictures,
    play,
    sound_sender,
    sounds,
    undecodable,
    video_sender,
)
from tests.support.tapes import BEGIN_NS, muxed, put, seal_of, track
from video.recording import jobs, mux, parts, tape
from video.recording.errors import NothingRecorded, StillRunning
from video.recording.model import Codec, Track
from video.recording.recorder import Recorder
from video.recording.rtp import parse_rtp

LONG = bool(os.environ.get("SWITCHBOARD_LONG"))
NEAR_MS = 100

SOUND = track("mic", "audio")


def only_media(folder: Path) -> Path:
    (path,) = (folder / "media").iterdir()
    return path


def the_track(manifest: dict[str, Any], name: str = "camera") -> dict[str, Any]:
    return next(one for one in manifest["tracks"] if one["track"] == name)


def gaps(manifest: dict[str, Any], kind: str, name: str = "camera") -> list[dict[str, Any]]:
    return [gap for gap in the_track(manifest, name)["gaps"] if gap["kind"] == kind]


def of(frames: int, codec: str = "vp8", **given: int) -> list[Packet]:
    return video_sender(codec, **{"begins_ns": BEGIN_NS, **given}).packets(pictures(codec, frames))


def heard(count: int, **given: int) -> list[Packet]:
    return sound_sender(**{"begins_ns": BEGIN_NS, **given}).packets(sounds(count))


@pytest.mark.parametrize(("codec", "suffix"), [("vp8", ".webm"), ("h264", ".mkv")])
def test_sound_and_picture_play_with_every_frame_at_its_time(tmp_path: Path, codec: str, suffix: str) -> None:
    put(tmp_path / "r", [(track(), of(100, codec), []), (SOUND, heard(200), [])])
    manifest = muxed(tmp_path / "r")
    path = only_media(tmp_path / "r")
    assert path.suffix == suffix
    played = play(path)
    assert played.pictures == [(40 * number, number) for number in range(100)]
    assert played.sound == [(20 * number, 20) for number in range(200)]
    assert abs(played.duration_ms - 4000) <= 20
    (media,) = manifest["media"]
    assert media["duration_ms"] == played.duration_ms
    assert the_track(manifest)["gaps"] == []


@pytest.mark.parametrize("codec", ["vp8", "h264"])
@pytest.mark.parametrize("seed", range(20 if LONG else 3))
def test_a_bad_line_loses_no_frame_that_came_whole(tmp_path: Path, codec: str, seed: int) -> None:
    """3% lost, 5% doubled, disorder of up to 200 ms, everything wrapping; decoding fails at nothing."""
    chance = random.Random(seed)
    sender = video_sender(codec, begins_ns=BEGIN_NS, sequence=65_500, timestamp=0xFFFF_F000)
    sent = sender.packets(pictures(codec, 150, width=640, height=360))
    arrived = [packet for packet in sent if chance.random() > 0.03]
    arrived += [packet for packet in arrived if chance.random() < 0.05]
    arrived = [packet.later(chance.randrange(200_000_000)) for packet in arrived]
    voice = [
        packet for packet in heard(300, sequence=65_530, timestamp=0xFFFF_FF00) if chance.random() > 0.03
    ]
    put(tmp_path / "r", [(track(), arrived, []), (SOUND, voice, [])])
    manifest = muxed(tmp_path / "r")
    played = play(only_media(tmp_path / "r"))
    missing = set(undecodable(sent, arrived, 25))
    wanted = [number for number in range(150) if number not in missing]
    assert played.numbers == wanted
    began = played.pictures[0][0] - 40 * wanted[0]
    assert all(abs(at - began - 40 * number) <= 1 for at, number in played.pictures)
    first_voice, last_voice = voice[0].frame, voice[-1].frame
    assert len(played.sound) == len(voice)
    assert abs(played.sound[-1][0] - played.sound[0][0] - 20 * (last_voice - first_voice)) <= 1
    listed = the_track(manifest)
    assert listed["frames"] == len(wanted)
    # A frame of which nothing arrived at all is in no count but that of the packets.
    unseen = {packet.frame for packet in sent} - {packet.frame for packet in arrived}
    assert listed["frames_left_out"] == len(missing - unseen)
    lost_packets = len(sent) - len({packet.data for packet in arrived})
    assert lost_packets - 3 <= listed["packets_lost"] <= lost_packets
    assert gaps(manifest, "lost")
    assert gaps(manifest, "undecodable")


@pytest.mark.parametrize(("picture_late_s", "sound_late_s"), [(2, 0), (0, 3)])
def test_a_late_beginning_stays_late(tmp_path: Path, picture_late_s: int, sound_late_s: int) -> None:
    camera = of(50, begins_ns=BEGIN_NS + picture_late_s * SECOND)
    voice = heard(100, begins_ns=BEGIN_NS + sound_late_s * SECOND)
    put(tmp_path / "r", [(track(), camera, []), (SOUND, voice, [])])
    muxed(tmp_path / "r")
    played = play(only_media(tmp_path / "r"))
    assert played.numbers == list(range(50))
    assert played.pictures[0][0] == 1000 * picture_late_s
    assert played.sound[0][0] == 1000 * sound_late_s
    assert abs(played.duration_ms - 1000 * (2 + max(picture_late_s, sound_late_s))) <= NEAR_MS


@pytest.mark.parametrize("away_s", [0, 10, 40])
def test_a_new_ssrc_goes_on_in_the_same_file(tmp_path: Path, away_s: int) -> None:
    """A new peer after a network cut: other SSRC, other numbers, the time away is in the file and in the list."""
    first = of(50)
    again = video_sender(begins_ns=BEGIN_NS + away_s * SECOND, ssrc=0x9999, sequence=12, timestamp=77)
    second = again.packets(pictures("vp8", 100)[50:], 50)
    put(tmp_path / "r", [(track(), [*first, *second], [])])
    manifest = muxed(tmp_path / "r")
    played = play(only_media(tmp_path / "r"))
    assert played.numbers == list(range(100))
    assert abs(played.pictures[50][0] - 2000 - 1000 * away_s) <= 1
    assert abs(played.duration_ms - 4000 - 1000 * away_s) <= NEAR_MS
    listed = gaps(manifest, "nothing_arrived")
    assert len(listed) == (away_s > 0)
    if listed:
        assert abs(listed[0]["to_ms"] - listed[0]["from_ms"] - 1000 * away_s - 40) <= 1
    assert [stream["ssrc"] for stream in the_track(manifest)["streams"]] == ["00001234", "00009999"]


@pytest.mark.parametrize("away_s", [5, 20, 90])
def test_a_caucus_is_a_gap_and_no_loss(tmp_path: Path, away_s: int) -> None:
    """The same stream goes on meanwhile, only not to the tape; nothing of it is taken for lost."""
    packets = of(150)
    camera = [packet for packet in packets if not 50 <= packet.frame < 100]
    late = (away_s - 2) * SECOND
    moved = []
    for packet in camera:
        if packet.frame < 50:
            moved.append(packet)
            continue
        head = parse_rtp(packet.data)
        sequence, timestamp = head.sequence + 50 * (away_s - 2), head.timestamp + 90_000 * (away_s - 2)
        data = packet.data[:2] + struct.pack("!HI", sequence & 0xFFFF, timestamp) + packet.data[8:]
        moved.append(Packet(packet.arrival_ns + late, data, packet.frame))
    put(tmp_path / "r", [(track(), moved, [])])
    manifest = muxed(tmp_path / "r")
    assert the_track(manifest)["packets_lost"] == 0
    assert len(gaps(manifest, "nothing_arrived")) == 1
    played = play(only_media(tmp_path / "r"))
    assert played.numbers == sorted({packet.frame for packet in camera})
    assert abs(played.pictures[50][0] - 4000 - 1000 * (away_s - 2)) <= 1


def test_a_new_peer_may_number_its_payload_types_otherwise(tmp_path: Path) -> None:
    """96 was VP8 and is H.264 after the return: two tracks in the file, nothing lost, while the tape goes on."""
    first, second = of(25), of(25, "h264", begins_ns=BEGIN_NS + 5 * SECOND, ssrc=9)
    renumbered = [
        Packet(p.arrival_ns, p.data[:1] + bytes([p.data[1] & 0x80 | 96]) + p.data[2:], 0) for p in second
    ]
    recorder = Recorder(lambda event: None, flush_s=0.001)
    tape = recorder.open(tmp_path / "r", Track("s1", "p1", "camera", "video", {96: Codec("vp8", 90000)}))
    for packet in first:
        tape.write(packet.arrival_ns, packet.data)
    assert (
        recorder.open(tmp_path / "r", Track("s1", "p1", "camera", "video", {96: Codec("h264", 90000)}))
        is tape
    )
    for packet in renumbered:
        tape.write(packet.arrival_ns, packet.data)
    recorder.stop()
    (media,) = muxed(tmp_path / "r")["media"]
    assert [(one["codec"], one["frames"]) for one in media["tracks"]] == [("vp8", 25), ("h264", 25)]
    assert abs(media["duration_ms"] - 6000) <= NEAR_MS


def test_packets_of_both_ssrcs_mixed_at_the_change_lose_nothing(tmp_path: Path) -> None:
    first = of(50)
    second = video_sender(begins_ns=BEGIN_NS, ssrc=7, sequence=9).packets(pictures("vp8", 100)[50:], 50)
    chance = random.Random(3)
    packets = [packet.later(chance.randrange(150_000_000)) for packet in [*first, *second]]
    put(tmp_path / "r", [(track(), packets, [])])
    muxed(tmp_path / "r")
    assert play(only_media(tmp_path / "r")).numbers == list(range(100))


def test_sequence_numbers_that_jump_lose_nothing(tmp_path: Path) -> None:
    first = of(25)
    second = video_sender(begins_ns=BEGIN_NS, sequence=30_000).packets(pictures("vp8", 50)[25:], 25)
    put(tmp_path / "r", [(track(), [*first, *second], [])])
    muxed(tmp_path / "r")
    assert play(only_media(tmp_path / "r")).numbers == list(range(50))


def test_timestamps_that_jump_do_not_move_anything(tmp_path: Path) -> None:
    first = of(50)
    second = video_sender(begins_ns=BEGIN_NS, sequence=50, timestamp=0x7000_0000).packets(
        pictures("vp8", 100)[50:], 50
    )
    assert all(len(payloads) == 1 for payloads in pictures("vp8", 50))
    put(tmp_path / "r", [(track(), [*first, *second], [])])
    muxed(tmp_path / "r")
    assert play(only_media(tmp_path / "r")).pictures == [(40 * number, number) for number in range(100)]


def test_a_line_that_stands_still_and_catches_up_moves_nothing(tmp_path: Path) -> None:
    """Three seconds arrive at once: their time is that of their timestamps."""
    packets = [
        packet if not 25 <= packet.frame < 100 else packet.later((100 - packet.frame) * 40_000_000)
        for packet in of(150)
    ]
    put(tmp_path / "r", [(track(), packets, [])])
    muxed(tmp_path / "r")
    assert play(only_media(tmp_path / "r")).pictures == [(40 * number, number) for number in range(150)]


def test_the_size_may_change_in_the_middle(tmp_path: Path) -> None:
    for codec in ("vp8", "h264"):
        sender = video_sender(codec, begins_ns=BEGIN_NS)
        packets = sender.packets(pictures(codec, 25))
        packets += sender.packets(pictures(codec, 25, width=640, height=360), 25)
        put(tmp_path / codec, [(track(), packets, [])])
        manifest = muxed(tmp_path / codec)
        played = play(only_media(tmp_path / codec))
        assert played.numbers == [*range(25), *range(25)]
        assert played.sizes == [(256, 144), (640, 360)]
        first, second = the_track(manifest)["sizes"]
        assert (first["width"], second["width"], second["at_ms"] - first["at_ms"]) == (256, 640, 1000)


def slowly(packets: list[Packet], ms: int) -> list[Packet]:
    return [packet.later(ms * 1_000_000) for packet in packets]


def test_sender_reports_bring_sound_and_picture_together(tmp_path: Path) -> None:
    """The picture comes 300 ms later than the sound all the time; the reports say that both were made together."""
    camera, voice = video_sender(begins_ns=BEGIN_NS), sound_sender(begins_ns=BEGIN_NS, timestamp=99)
    late = slowly(camera.packets(pictures("vp8", 100)), 300)
    reports = [(at + 300_000_000, data) for at, data in map(camera.report, (5, 50))]
    spoken = voice.packets(sounds(200))
    put(
        tmp_path / "r",
        [(track(), late, reports), (SOUND, spoken, [voice.report(10), voice.report(90)])],
    )
    muxed(tmp_path / "r")
    played = play(only_media(tmp_path / "r"))
    assert abs(played.pictures[0][0] - played.sound[0][0]) <= 1


def test_reports_that_cannot_be_true_move_nothing(tmp_path: Path) -> None:
    camera, voice = video_sender(begins_ns=BEGIN_NS), sound_sender(begins_ns=BEGIN_NS)
    put(
        tmp_path / "r",
        [
            (track(), camera.packets(pictures("vp8", 100)), [camera.report(5, 1_700_003_600.0)]),
            (SOUND, voice.packets(sounds(200)), [voice.report(10)]),
        ],
    )
    muxed(tmp_path / "r")
    played = play(only_media(tmp_path / "r"))
    assert abs(played.pictures[0][0] - played.sound[0][0]) <= 1


@pytest.mark.parametrize("drift", [-150e-6, 150e-6])
def test_a_sender_s_clock_that_runs_wrong_does_not_move_the_end(tmp_path: Path, drift: float) -> None:
    """Twenty minutes of sound from a clock that is wrong by 150 ppm, on a line with jitter."""
    chance = random.Random(1)
    count, (payload,) = 60_000, sounds(1)[0]
    sender = sound_sender()
    packets = []
    for packet in sender.packets([(payload,)] * count):
        at = BEGIN_NS + round(packet.frame * 20_000_000 * (1 + drift)) + int(chance.expovariate(1 / 15e6))
        packets.append(Packet(at, packet.data, packet.frame))
    put(tmp_path / "r", [(SOUND, packets, [])])
    (media,) = muxed(tmp_path / "r")["media"]
    assert abs(media["duration_ms"] - count * 20 * (1 + drift)) <= NEAR_MS


def test_a_second_camera_has_a_file_of_its_own(tmp_path: Path) -> None:
    papers = track("papers", bundle="papers")
    put(tmp_path / "r", [(track(), of(25), []), (papers, of(25, ssrc=8), []), (SOUND, heard(50), [])])
    manifest = muxed(tmp_path / "r")
    assert sorted(one["file"] for one in manifest["media"]) == ["media/p1.main.webm", "media/p1.papers.webm"]


def test_telephone_sound_is_kept_as_it_is(tmp_path: Path) -> None:
    phone = Track("s1", "phone", "mic", "audio", {8: Codec("pcma", 8000)})
    packets = Sender(8, 160, 8000, begins_ns=BEGIN_NS).packets([(bytes([0xD5]) * 160,)] * 100)
    put(tmp_path / "r", [(phone, packets, [])])
    muxed(tmp_path / "r")
    played = play(only_media(tmp_path / "r"))
    assert (played.streams, len(played.sound), played.duration_ms) == (["pcm_alaw"], 100, 2000)


def test_what_no_frame_came_of_is_listed_and_stays_on_the_tape(tmp_path: Path) -> None:
    """No key frame ever; a codec we cannot write; noise."""
    never = [packet for packet in of(50) if packet.frame % 25]
    odd = Track("s1", "p2", "camera", "video", {99: Codec("av1", 90000)})
    av1 = [Packet(p.arrival_ns, p.data[:1] + bytes([99]) + p.data[2:], p.frame) for p in of(10)]
    noise = [Packet(BEGIN_NS + number, bytes([number] * number), number) for number in range(1, 40)]
    put(tmp_path / "r", [(track(), never, []), (odd, av1, []), (track(participant="p3"), noise, [])])
    manifest = muxed(tmp_path / "r")
    assert manifest["media"] == []
    assert [one["packets"] for one in manifest["tracks"]] == [len(never), 10, 39]
    assert manifest["tracks"][0]["frames_left_out"] == 48
    assert manifest["tracks"][2]["packets_malformed"] > 0


def test_the_same_tapes_give_the_same_bytes(tmp_path: Path) -> None:
    put(tmp_path / "r", [(track(), of(50), []), (SOUND, heard(100), [])])
    muxed(tmp_path / "r")
    path = only_media(tmp_path / "r")
    first = hashlib.sha256(path.read_bytes()).hexdigest()
    for one in ("manifest.json", "manifest.seal.json", path):
        (tmp_path / "r" / one).unlink()
    muxed(tmp_path / "r")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == first


def test_a_sealed_folder_is_left_as_it_is(tmp_path: Path) -> None:
    put(tmp_path / "r", [(track(), of(25), [])])
    muxed(tmp_path / "r")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "r").rglob("*")}
    assert not mux.process(tmp_path / "r", seal_of(tmp_path / "r"))
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "r").rglob("*")} == before


def test_a_muxer_that_was_killed_is_started_again_and_gives_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    put(folder, [(track(participant=f"p{n}"), of(100), []) for n in range(3)])
    command = [sys.executable, "-m", "video.recording.mux", str(folder)]
    for lines in (0, 1, 2):
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        for _ in range(lines):
            child.stdout.readline()
        child.kill()
        child.communicate()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["progress"] == 1.0
    assert len(list((folder / "media").glob("*.webm"))) == 3
    for path in (folder / "media").glob("*.webm"):
        assert play(path).numbers == list(range(100))


def test_a_running_tape_is_not_muxed(tmp_path: Path) -> None:
    put(tmp_path / "r", [(track(), of(5), [])])
    recorder = Recorder(lambda event: None, flush_s=0.001)
    recorder.open(tmp_path / "r", SOUND)
    while not list((tmp_path / "r").glob("p1.mic.*.tape")):
        pass
    with pytest.raises(StillRunning):
        mux.process(tmp_path / "r", seal_of(tmp_path / "r"))
    recorder.stop()


def test_a_sealed_folder_takes_no_further_tape(tmp_path: Path) -> None:
    put(tmp_path / "r", [(track(), of(5), [])])
    muxed(tmp_path / "r")
    told = put(tmp_path / "r", [(SOUND, heard(5), [])])
    assert getattr(told[0], "reason", "") == "sealed"
    assert not list((tmp_path / "r").glob("p1.mic.*"))


def test_an_empty_folder_has_nothing_recorded(tmp_path: Path) -> None:
    with pytest.raises(NothingRecorded):
        mux.process(tmp_path, seal_of(tmp_path))


def test_a_tape_without_a_whole_block_is_listed(tmp_path: Path) -> None:
    put(tmp_path / "r", [(track(), of(25), [])])
    (tmp_path / "r" / "p9.camera.0001.tape").write_bytes(b"VTB1 torn")
    manifest = muxed(tmp_path / "r")
    assert [one["file"] for one in manifest["unreadable"]] == ["p9.camera.0001.tape"]


async def test_the_job_tells_its_progress_and_its_errors(tmp_path: Path) -> None:
    put(tmp_path / "r", [(track(), of(25), [])])
    told: list[tuple[float, str]] = []
    await jobs.run("mux", tmp_path / "r", tmp_path / "key", lambda share, what: told.append((share, what)))
    assert told[-1] == (1.0, "done")
    (tmp_path / "none").mkdir()
    with pytest.raises(NothingRecorded):
        await jobs.run("mux", tmp_path / "none", tmp_path / "key")


async def test_a_job_that_is_cancelled_ends_its_process(tmp_path: Path) -> None:
    put(tmp_path / "r", [(track(), of(25), [])])
    begun = asyncio.Event()
    task = asyncio.create_task(
        jobs.run("mux", tmp_path / "r", tmp_path / "key", lambda share, what: begun.set())
    )
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert mux.process(tmp_path / "r", seal_of(tmp_path / "r")) in (True, False)


def test_times_of_another_boot_are_joined_by_the_wall_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine was started anew in the middle: its monotonic clock began again, the time of day went on."""
    put(tmp_path / "r", [(track(), of(25), [])])
    described = tape.time
    shift = 10 * SECOND

    class Clock:
        monotonic = described.monotonic

        @staticmethod
        def monotonic_ns() -> int:
            return described.monotonic_ns() - shift

        time_ns = described.time_ns

    monkeypatch.setattr(tape, "time", Clock)
    monkeypatch.setattr(parts, "time", Clock)
    monkeypatch.setattr(parts, "boot_id", lambda: "another boot")
    later = video_sender(begins_ns=BEGIN_NS - shift, ssrc=5, sequence=3).packets(pictures("vp8", 75)[50:], 50)
    put(tmp_path / "r", [(track(), later, [])])
    muxed(tmp_path / "r")
    played = play(only_media(tmp_path / "r"))
    assert played.numbers == [*range(25), *range(50, 75)]
    assert abs(played.pictures[25][0] - 2000) <= NEAR_MS
