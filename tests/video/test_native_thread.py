"""The C path on its own thread: what Python decides holds for every packet, and what Python does delays none."""

from __future__ import annotations

import contextlib
import gc
import random
import select
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from tests.video.test_forward import AUDIO, DELTA, KEY, VIDEO, Bench, Far, watched
from video.bridge import VideoBridge
from video.forward import Forwarder, Sink, Track
from video.native import _said
from video.native.build import NotBuilt, load
from video.native.forwarder import NativeForwarder

PATIENCE_S = 20.0


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench(native=True)
    made.forwarder.start()
    yield made
    made.forwarder.stop()
    made.close()


class Talker:
    """Sends numbered packets from a thread of its own, a few ahead of what the receivers have got."""

    def __init__(self, far: Far) -> None:
        self.sent = 0
        self._far = far
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Talker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def wait(self, count: int) -> None:
        """Until so many more were sent."""
        goal, deadline = self.sent + count, time.monotonic() + PATIENCE_S
        while self.sent < goal:
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._far.send(self.sent, self.sent.to_bytes(4, "big"), source=AUDIO, timestamp=960 * self.sent)
            self.sent += 1
            time.sleep(0.0005)  # below what a peer may send


def until(seen: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not seen():
        assert time.monotonic() < deadline, what
        time.sleep(0.001)


def numbers(far: Far) -> list[int]:
    return [int.from_bytes(packet.payload, "big") for packet in far.taken()]


def voice(bench: Bench, sender: Far) -> Track:
    return bench.forwarder.publish(sender.lane, AUDIO)


def test_media_goes_on_while_python_is_busy_elsewhere(bench: Bench) -> None:
    sender, receiver = bench.peer(), bench.peer()
    watched(bench, receiver, bench.forwarder.publish(sender.lane, VIDEO))
    sender.send(1, KEY)
    sender.send(2, DELTA)
    until(lambda: bench.forwarder.counters.sent == 2, "both were forwarded, and nobody turned the loop")
    assert len(receiver.taken()) == 2
    assert select.select([bench.forwarder.fileno()], [], [], 0)[0] == []  # nothing was for Python to do


def test_a_change_of_the_matrix_is_one_step_for_every_packet(bench: Bench) -> None:
    """Two listeners take turns. Each packet is heard by exactly one of them: at no moment by both or by none."""
    sender, one, other = bench.peer(), bench.peer(), bench.peer()
    track = voice(bench, sender)
    subs = [
        bench.forwarder.subscribe(far.lane, Sink(100, 77), track, paused=bool(paused))
        for paused, far in enumerate((one, other))
    ]
    heard: tuple[list[int], list[int]] = ([], [])
    with Talker(sender) as talker:
        until(lambda: subs[0].packets > 0, "the first hears")
        for turn in range(60):
            with bench.forwarder.at_once():
                bench.forwarder.pause(subs[1], bool(turn % 2))
                bench.forwarder.pause(subs[0], not turn % 2)
            talker.wait(3)
            for got, far in zip(heard, (one, other), strict=True):
                got += numbers(far)
    until(lambda: bench.forwarder.counters.sent == talker.sent, "all were forwarded")
    for got, far in zip(heard, (one, other), strict=True):
        got += numbers(far)
    assert min(map(len, heard)) > 50
    assert sorted(heard[0] + heard[1]) == list(range(talker.sent))


def test_no_packet_goes_out_once_a_pause_has_returned(bench: Bench) -> None:
    sender, receiver = bench.peer(), bench.peer()
    track = voice(bench, sender)
    sub = bench.forwarder.subscribe(receiver.lane, Sink(100, 77), track)
    with Talker(sender) as talker:
        for _ in range(30):
            until(lambda: sub.running, "it runs")
            talker.wait(2)
            bench.forwarder.pause(sub, True)
            before = sub.packets
            receiver.taken()
            talker.wait(5)
            assert receiver.taken() == []
            assert sub.packets == before
            bench.forwarder.pause(sub, False)


def test_a_tape_ends_with_the_last_packet_before_the_change(bench: Bench) -> None:
    class Kept:
        def __init__(self) -> None:
            self.packets: list[int] = []

        def write(self, arrival_ns: int, packet: bytes) -> None:
            self.packets.append(int.from_bytes(packet[12:], "big"))

        def report(self, arrival_ns: int, packet: bytes) -> None: ...

        def mark(self, kind: str, **facts: object) -> None: ...

    sender = bench.peer()
    track = voice(bench, sender)
    tapes: list[Kept] = []
    with Talker(sender) as talker:
        for _ in range(10):
            tapes.append(Kept())
            bench.forwarder.record(track, tapes[-1])
            talker.wait(10)
            until(lambda: bool(bench.forwarder.tick() or tapes[-1].packets), "something is on the tape")
            bench.forwarder.record(track, None)
            ended = len(tapes[-1].packets)
            talker.wait(3)
            bench.forwarder.tick()
            assert len(tapes[-1].packets) == ended
    for tape in tapes:
        assert tape.packets == list(range(tape.packets[0], tape.packets[0] + len(tape.packets)))


def test_arrival_is_when_the_kernel_had_it_not_when_somebody_looked() -> None:
    bench = Bench(native=True)
    sender = bench.peer()
    bench.forwarder.extensions(sender.lane, twcc=5, level=0)
    head = bytes([0x90, 111, 0, 1]) + bytes(4) + (2222).to_bytes(4, "big")
    before_ns = time.monotonic_ns()
    sender.raw(sender.out.protect(head + b"\xbe\xde\0\1\x51\0\7\0" + b"opus"))
    after_ns = time.monotonic_ns()
    until(lambda: time.monotonic_ns() > after_ns + 50_000_000, "nobody looks for a while")
    bench.turn()
    ((number, at_ns),) = bench.forwarder.take_arrivals(sender.lane)
    bench.close()
    assert number == 7
    assert before_ns - 5_000_000 < at_ns < after_ns + 5_000_000  # two clocks are read one after the other


def test_publishers_hear_of_their_line_while_python_does_nothing(bench: Bench) -> None:
    sender = bench.peer()
    bench.forwarder.extensions(sender.lane, twcc=5, level=0)
    watched(bench, bench.peer(), bench.forwarder.publish(sender.lane, VIDEO))
    for number in (0, 1, 5):  # three of them are missing
        head = bytes([0x90, VIDEO.payload_type, 0, number]) + bytes(4) + VIDEO.ssrc.to_bytes(4, "big")
        sender.raw(sender.out.protect(head + b"\xbe\xde\0\1\x51\0" + bytes([number, 0]) + DELTA))
    wanted = {(206, 1): "a key frame", (205, 1): "a NACK", (205, 15): "arrivals", (201, 1): "a report"}

    def told() -> bool:  # nothing of the forwarder is called here: all of this comes from its thread
        with contextlib.suppress(BlockingIOError):
            while True:
                data = sender.back.unprotect_rtcp(sender.socket.recv(2048))
                wanted.pop((data[1], data[0] & 31), None)
        return not wanted

    until(told, f"told of {wanted}")


def test_handles_may_go_in_any_order() -> None:
    for seed in range(40):
        chance = random.Random(seed)
        bench = Bench(native=True)
        sender, receiver = bench.peer(), bench.peer()
        track = bench.forwarder.publish(sender.lane, VIDEO)
        other = bench.forwarder.publish(sender.lane, AUDIO)
        sub = watched(bench, receiver, track)
        sender.send(1, KEY)
        bench.turn()
        bench.forwarder.layer(sub, other)
        held = [bench.forwarder, track, other, sub, sender.lane, receiver.lane, sender, receiver]
        steps = chance.sample(range(4), chance.randrange(5))
        for step in steps:
            if step == 0:
                bench.forwarder.unpublish(track)
            elif step == 1:
                bench.forwarder.unsubscribe(sub)
            else:
                bench.forwarder.close((sender, receiver)[step - 2].lane)
        bench.close()
        del bench, sender, receiver, track, other, sub
        chance.shuffle(held)
        while held:
            held.pop()
        if seed % 5 == 4:
            gc.collect()  # what stood in circles


async def test_without_a_compiler_python_forwards_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VIDEO_NATIVE_DIR", str(tmp_path / "native"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv("VIDEO_NATIVE", raising=False)
    _said.clear()
    load.cache_clear()
    try:
        with structlog.testing.capture_logs() as said:
            async with VideoBridge(b"secret") as bridge:
                assert type(bridge.port.forwarder) is Forwarder
                assert bridge.counts()["native"] == 0
            async with VideoBridge(b"secret"):
                pass
        assert [entry for entry in said if "plain Python" in entry["event"]] == [
            {
                "event": "the video bridge forwards in plain Python: no C path here",
                "reason": "no C compiler",
                "log_level": "info",
            }
        ]
        with pytest.raises(NotBuilt):
            VideoBridge(b"secret", native=True)
    finally:
        load.cache_clear()


async def test_with_a_compiler_c_forwards() -> None:
    async with VideoBridge(b"secret", native=True) as bridge:
        assert isinstance(bridge.port.forwarder, NativeForwarder)
        assert bridge.counts()["native"] == 1


def test_what_others_may_write_to_is_not_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "native"
    folder.mkdir()
    folder.chmod(0o777)
    monkeypatch.setenv("VIDEO_NATIVE_DIR", str(folder))
    load.cache_clear()
    try:
        with pytest.raises(NotBuilt):
            load()
    finally:
        load.cache_clear()
