"""The tape keeps what it was given, says what it could not keep, and reads back whatever is whole."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.media import Packet
from tests.support.tapes import packets_on, put, track
from video.recording.blocks import MARK, RTP, START, PartReader, pack_block, pack_record
from video.recording.errors import TrackInvalid
from video.recording.model import (
    PacketsDropped,
    TapeClosed,
    TapeEvent,
    TapeFailed,
    TapeResumed,
    Track,
)
from video.recording.reading import TrackTape
from video.recording.recorder import Recorder
from video.recording.tape import Limits, tape_parts

LONG = bool(os.environ.get("SWITCHBOARD_LONG"))
PATIENCE_S = 20.0


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "did not come to pass"
        time.sleep(0.005)


def some(count: int, size: int = 100) -> list[Packet]:
    return [Packet(number, number.to_bytes(8, "big") + bytes(size - 8), number) for number in range(count)]


def test_every_packet_comes_back_in_order_with_its_time(tmp_path: Path) -> None:
    told = put(tmp_path / "r", [(track(), some(1000), [])])
    assert packets_on(tmp_path / "r") == [packet.data for packet in some(1000)]
    closed = told[-1]
    assert isinstance(closed, TapeClosed)
    assert (closed.packets, closed.dropped) == (1000, 0)


def test_the_chain_s_end_is_what_the_closing_event_said(tmp_path: Path) -> None:
    closed = put(tmp_path, [(track(), some(10), [])])[-1]
    assert isinstance(closed, TapeClosed)
    reader = PartReader(tape_parts(tmp_path, "p1.camera")[0])
    for _ in reader.blocks():
        pass
    assert (reader.number, reader.digest.hex()) == (closed.block, closed.digest)
    assert reader.damage == []


def test_marks_stand_between_the_packets_they_were_made_between(tmp_path: Path) -> None:
    recorder = Recorder(lambda event: None)
    tape = recorder.open(tmp_path, track())
    tape.write(1, b"one")
    tape.mark("mute", by="host")
    tape.write(2, b"two")
    recorder.stop()
    records = list(PartReader(tape_parts(tmp_path, "p1.camera")[0]).records())
    assert [json.loads(one.data)["kind"] if one.kind == MARK else one.data for one in records[1:]] == [
        b"one",
        "mute",
        b"two",
        "end",
    ]


def test_a_long_recording_is_spread_over_parts_in_one_chain(tmp_path: Path) -> None:
    recorder = Recorder(lambda event: None, flush_s=0.001, limits=Limits(part_bytes=20_000))
    tape = recorder.open(tmp_path, track())
    for packet in some(1000):
        tape.write(packet.arrival_ns, packet.data)
        if packet.frame % 100 == 99:
            until(lambda: not tape._queue)
    recorder.stop()
    parts = tape_parts(tmp_path, "p1.camera")
    assert len(parts) > 3
    assert packets_on(tmp_path) == [packet.data for packet in some(1000)]
    number, digest = -1, START
    for path in parts:
        reader = PartReader(path, number=number, digest=digest)
        assert sum(1 for _ in reader.blocks())
        assert reader.damage == []
        number, digest = reader.number, reader.digest


def test_a_tape_goes_on_after_earlier_parts(tmp_path: Path) -> None:
    put(tmp_path, [(track(), some(5), [])])
    put(tmp_path, [(track(), some(7), [])])
    assert len(packets_on(tmp_path)) == 12
    tape = TrackTape(tmp_path, "p1.camera")
    assert [part.damage for part in tape.survey().parts] == [[], []]


def test_a_track_has_one_running_tape_and_goes_on_in_a_new_part_after_it(tmp_path: Path) -> None:
    """Opened again while it runs (a caucus ended), right after it was closed, and by a second recorder."""
    told: list[TapeEvent] = []
    recorder, other = Recorder(told.append, flush_s=0.001), Recorder(told.append, flush_s=0.001)
    tape = recorder.open(tmp_path, track())
    tape.write(1, b"one")
    assert recorder.open(tmp_path, track()) is tape
    until(lambda: tape.packets == 1)
    elsewhere = other.open(tmp_path, track())
    elsewhere.write(4, b"four")
    until(lambda: any(isinstance(event, TapeFailed) for event in told))
    tape.write(2, b"two")
    tape.close()
    again = recorder.open(tmp_path, track())
    again.write(3, b"three")
    until(lambda: again.packets == 1)
    recorder.stop()
    until(lambda: elsewhere.packets == 1)
    other.stop()
    assert packets_on(tmp_path) == [b"one", b"two", b"three", b"four"]
    assert all(part.damage == [] for part in TrackTape(tmp_path, "p1.camera").survey().parts)


@pytest.mark.parametrize("bad", [b"", bytes(70_000), None, 7, "text"])
def test_nothing_that_is_written_raises(tmp_path: Path, bad: bytes) -> None:
    recorder = Recorder(lambda event: None)
    tape = recorder.open(tmp_path, track())
    tape.write(1, bad)
    tape.write(2, b"good")
    tape.mark("x" * 5000, odd=object(), long="y" * 10_000)
    tape.close()
    tape.close()
    tape.write(3, b"too late")
    recorder.stop()
    assert packets_on(tmp_path) == [b"good"]


def test_a_listener_that_fails_stops_nothing(tmp_path: Path) -> None:
    def tell(event: TapeEvent) -> None:
        raise RuntimeError("the room is gone")

    recorder = Recorder(tell)
    recorder.open(tmp_path, track()).write(1, b"kept")
    assert recorder.stop()
    assert packets_on(tmp_path) == [b"kept"]


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a b", "王", "x" * 65, ".x", "a\n"])
def test_names_that_no_file_may_have_are_refused(name: str) -> None:
    with pytest.raises(TrackInvalid):
        Track("s1", name, "camera", "video")


def test_writing_never_waits_for_a_disk_that_hangs(tmp_path: Path) -> None:
    """The recorder's thread is held in the middle of a write; the hot path goes on, and the gap is told and listed."""
    told: list[TapeEvent] = []
    held, go_on = threading.Event(), threading.Event()
    recorder = Recorder(told.append, flush_s=0.001, limits=Limits(buffer_bytes=10_000))
    tape = recorder.open(tmp_path, track())
    put_bytes = tape._put_bytes

    def hang(data: bytes) -> None:
        held.set()
        assert go_on.wait(PATIENCE_S)
        put_bytes(data)

    tape._put_bytes = hang
    assert held.wait(PATIENCE_S)
    for packet in some(1000):
        tape.write(packet.arrival_ns, packet.data)
    assert sum(isinstance(event, PacketsDropped) for event in told) == 1
    assert len(tape._queue) < 100
    go_on.set()
    until(lambda: not tape._queue)
    tape.write(5000, b"after")
    recorder.stop()
    survey = TrackTape(tmp_path, "p1.camera").survey()
    kept = packets_on(tmp_path)
    gap = survey.not_written[0]
    assert kept[-1] == b"after"
    assert gap.count == 1000 - (len(kept) - 1)
    assert (gap.from_ns, gap.to_ns, gap.reason) == (len(kept) - 1, 999, "overflow")


CHILD = """
import sys, time
from pathlib import Path
from video.recording.model import Codec, Track
from video.recording.recorder import Recorder
from video.recording.tape import Limits
recorder = Recorder(lambda event: None, flush_s=0.002, limits=Limits(part_bytes=30_000))
tape = recorder.open(Path(sys.argv[1]), Track("s1", "p1", "camera", "video", {96: Codec("vp8", 90000)}))
number = 0
while True:
    tape.write(time.monotonic_ns(), number.to_bytes(8, "big") + bytes(number % 1200))
    number += 1
    if number % 20 == 0:
        time.sleep(0.0005)
        print(tape.packets, flush=True)
"""


def test_what_was_written_before_a_kill_is_there_after_it(tmp_path: Path) -> None:
    """kill -9 at random moments; afterwards the tape is whole up to its torn end, and the next writer goes on."""
    kept: list[int] = []
    for round_ in range(40 if LONG else 5):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        told = 0
        while not told:  # the first moments, before anything is written, keep nothing and promise nothing
            told = int(child.stdout.readline())
        for _ in range(round_ * 7):
            told = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        rest, _ = child.communicate()
        told = max([told, *(int(line) for line in rest.split("\n")[:-1])])
        packets = packets_on(tmp_path)
        numbers = [int.from_bytes(data[:8], "big") for data in packets[sum(kept) :]]
        assert numbers == list(range(len(numbers)))
        assert len(numbers) >= told
        kept.append(len(numbers))
        parts = TrackTape(tmp_path, "p1.camera").survey().parts
        assert all(damage.kind == "torn" for part in parts for damage in part.damage)


@pytest.mark.parametrize("cut", [1, 4, 40, 83, 84, 85, 150])
def test_a_torn_tail_is_recognised_and_everything_before_it_used(tmp_path: Path, cut: int) -> None:
    put(tmp_path, [(track(), some(3), [])])
    path = tape_parts(tmp_path, "p1.camera")[0]
    whole = path.stat().st_size
    last, _ = pack_block(99, bytes(32), 1, pack_record(RTP, 1, bytes(300)))
    with path.open("ab") as file:
        file.write(last[:cut])
    reader = PartReader(path)
    assert len([one for one in reader.records() if one.kind == RTP]) == 3
    assert [(one.offset, one.length, one.kind) for one in reader.damage] == [(whole, cut, "torn")]


def test_after_a_kill_the_tape_goes_on_from_the_last_whole_block(tmp_path: Path) -> None:
    put(tmp_path, [(track(), some(3), [])])
    with tape_parts(tmp_path, "p1.camera")[0].open("ab") as file:
        file.write(b"VTB1\0\0\0\x09torn")
    put(tmp_path, [(track(), some(4), [])])
    parts = TrackTape(tmp_path, "p1.camera").survey().parts
    assert [[damage.kind for damage in part.damage] for part in parts] == [["torn"], []]
    assert len(packets_on(tmp_path)) == 7


def test_any_single_altered_byte_is_found_and_costs_one_block_only(tmp_path: Path) -> None:
    recorder = Recorder(lambda event: None, flush_s=0.001)
    tape = recorder.open(tmp_path, track())
    for number in range(4):
        tape.write(number, bytes([number]) * 20)
        until(lambda: not tape._queue and tape.packets == number + 1)  # noqa: B023 - used at once
    recorder.stop()
    path = tape_parts(tmp_path, "p1.camera")[0]
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        reader = PartReader(path)
        found = len([one for one in reader.records() if one.kind == RTP])
        assert reader.damage, at
        assert found >= 3, at
        damage = next(one for one in reader.damage if one.kind != "chain")
        assert damage.offset <= at < damage.offset + damage.length


def test_a_block_that_was_taken_out_is_found(tmp_path: Path) -> None:
    first, digest = pack_block(0, START, 1, pack_record(RTP, 1, b"a"))
    second, digest2 = pack_block(1, digest, 1, pack_record(RTP, 2, b"b"))
    third, _ = pack_block(2, digest2, 1, pack_record(RTP, 3, b"c"))
    path = tmp_path / "p.t.0001.tape"
    path.write_bytes(first + third)
    reader = PartReader(path)
    assert [one.data for one in reader.records()] == [b"a", b"c"]
    assert [one.kind for one in reader.damage] == ["chain"]
    path.write_bytes(first + second + third)
    reader = PartReader(path)
    assert len(list(reader.records())) == 3
    assert not reader.damage


@settings(
    max_examples=300 if LONG else 80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.one_of(st.binary(max_size=200), st.just(b"VTB1"), st.integers(0, 3)), max_size=12))
def test_the_reader_bears_any_file(tmp_path: Path, pieces: list[bytes | int]) -> None:
    """Numbers stand for whole blocks; all of those are found, whatever lies between them."""
    content, digest, wanted = b"", START, 0
    for number, piece in enumerate(pieces):
        if isinstance(piece, int):
            block, digest = pack_block(number, digest, 1, pack_record(RTP, number, bytes(piece)))
            content += block
            wanted += 1
        else:
            content += piece
    path = tmp_path / "p.t.0001.tape"
    path.write_bytes(content)
    reader = PartReader(path)
    assert len(list(reader.records())) == wanted
    covered = sum(one.length for one in reader.damage)
    assert covered == sum(len(piece) for piece in pieces if isinstance(piece, bytes))


FULL = """
import sys, time
from pathlib import Path
from video.recording.model import Codec, Track, PacketsDropped, TapeClosed, TapeFailed, TapeResumed
from video.recording.recorder import Recorder
from video.recording.tape import Limits
told = []
recorder = Recorder(told.append, flush_s=0.002, limits=Limits(buffer_bytes=200_000))
folder = Path(sys.argv[1]) / "r"
tape = recorder.open(folder, Track("s1", "p1", "camera", "video", {96: Codec("vp8", 90000)}))
def until(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, told
        time.sleep(0.002)
number = 0
def send(count):
    global number
    for _ in range(count):
        tape.write(time.monotonic_ns(), number.to_bytes(8, "big") + bytes(992))
        number += 1
        time.sleep(0.0001)
send(500)
until(lambda: tape.packets)
ballast = Path(sys.argv[1]) / "ballast"
try:
    with ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
except OSError:
    pass
send(100)
until(lambda: any(isinstance(one, TapeFailed) for one in told))
send(400)
assert any(isinstance(one, PacketsDropped) for one in told)
if sys.argv[2] == "comes back":
    ballast.unlink()
    until(lambda: any(isinstance(one, TapeResumed) for one in told))
    send(50)
recorder.stop(20)
print(number, told[-1].packets, told[-1].dropped, next(one.reason for one in told if isinstance(one, TapeFailed)))
sys.stdout.flush()
import shutil
shutil.copytree(folder, sys.argv[3])
"""


@pytest.mark.parametrize("ending", ["comes back", "stays full"])
def test_a_full_disk_is_told_and_becomes_a_listed_gap(tmp_path: Path, ending: str) -> None:
    """On a real tmpfs of 1 MB, mounted in a user namespace of its own."""
    kept, small = tmp_path / "kept", tmp_path / "small"
    small.mkdir()
    script = f'mount -t tmpfs -o size=1m small "{small}" && exec "$@"'
    command = [sys.executable, "-c", FULL, str(small), ending, str(kept)]
    run = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", *command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    sent, packets, dropped, reason = run.stdout.split()[-4:]
    assert reason == "disk_full"
    survey = TrackTape(kept, "p1.camera").survey()
    assert survey.closed
    assert survey.packets == int(packets)
    assert int(packets) + int(dropped) == int(sent)
    assert sum(gap.count for gap in survey.not_written) == int(dropped) > 0
    assert all(part.damage == [] for part in survey.parts)
    numbers = [int.from_bytes(data[:8], "big") for data in packets_on(kept)]
    assert numbers == sorted(set(numbers))
    if ending == "comes back":
        assert numbers[-1] == int(sent) - 1


LIMITED = """
import resource, sys, time
from pathlib import Path
from tests.support.tapes import track
from tests.video.test_recording_tape import some, until
from video.recording.recorder import Recorder
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
told = []
recorder = Recorder(told.append, flush_s=0.001)
tape = recorder.open(Path(sys.argv[1]), track())
for packet in some(600, 200):
    tape.write(packet.arrival_ns, packet.data)
    if packet.frame % 20 == 19:
        until(lambda: tape.packets == packet.frame + 1)
recorder.stop()
print(len(told))
"""


def test_a_limit_on_the_size_of_files_begins_a_new_part(tmp_path: Path) -> None:
    """RLIMIT_FSIZE, as some file systems have a limit of their own."""
    run = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], check=True, timeout=60, capture_output=True, text=True
    )
    assert packets_on(tmp_path) == [packet.data for packet in some(600, 200)]
    parts = tape_parts(tmp_path, "p1.camera")
    assert len(parts) >= 4
    assert all(path.stat().st_size <= 40_000 for path in parts)
    assert run.stdout.split() == ["1"]


def test_a_folder_that_cannot_be_made_is_told_and_tried_again(tmp_path: Path) -> None:
    told: list[TapeEvent] = []
    blocker = tmp_path / "r"
    blocker.write_text("a file where the folder should be")
    recorder = Recorder(told.append, flush_s=0.005)
    tape = recorder.open(blocker, track())
    tape.write(1, b"patience")
    until(lambda: any(isinstance(event, TapeFailed) for event in told))
    blocker.unlink()
    until(lambda: any(isinstance(event, TapeResumed) for event in told))
    recorder.stop()
    assert packets_on(tmp_path / "r") == [b"patience"]


def test_a_running_tape_is_locked_for_the_muxer(tmp_path: Path) -> None:
    recorder = Recorder(lambda event: None, flush_s=0.001)
    recorder.open(tmp_path, track())
    until(
        lambda: (
            bool(tape_parts(tmp_path, "p1.camera"))
            and tape_parts(tmp_path, "p1.camera")[0].stat().st_size > 0
        )
    )
    with tape_parts(tmp_path, "p1.camera")[0].open("rb") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    recorder.stop()
