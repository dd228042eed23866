"""Everything that reads what a stranger sends, fed with mutations of a kept corpus: it refuses or drops, and lives on.

``corpus/KIND`` holds seeds and whatever once broke something; a new finding is put there as a file of its own.
SWITCHBOARD_LONG=1 tries a hundred times as much.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from struct import error as StructError
from types import SimpleNamespace
from typing import Any

import pytest
from aioice import stun
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pylibsrtp import Policy, Session

from video.captures import _picture
from video.dtls import Fingerprint, Handshake, Identity
from video.errors import CaptureRefused, HandshakeFailed, TokenRefused, VideoError
from video.events import Events
from video.forward import Forwarder, Source
from video.guard import is_plain_alert, username_of
from video.packets import MalformedPacket, extensions_of, parse_rtcp
from video.participant import Participant
from video.peer import Peer
from video.port import Port
from video.room import Room
from video.signalling import Session as Signalling
from video.tokens import Invitation, Role, verify

LONG = bool(os.environ.get("SWITCHBOARD_LONG"))
CORPUS = Path(__file__).with_name("corpus")
KINDS = ("sdp", "stun", "rtp", "rtcp", "frame", "dtls", "token", "picture")
ADDRESS = ("127.0.0.1", 9)
SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture)
TIMES = settings(
    max_examples=20_000 if LONG else 200,
    deadline=None,
    suppress_health_check=SLOW,
    database=None,
)


def seeds(kind: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((CORPUS / kind).iterdir())]


def mutate(data: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """One to eight changes: bits, bytes, lengths, cuts, repeats, and pieces of other seeds."""
    out = bytearray(data)
    for _ in range(chance.randrange(1, 9)):
        at = chance.randrange(len(out) + 1)
        match chance.randrange(7):
            case 0 if at < len(out):
                out[at] ^= 1 << chance.randrange(8)
            case 1 if at < len(out):
                out[at] = chance.choice((0, 1, 127, 128, 254, 255))
            case 2:
                out[at:at] = chance.randbytes(chance.randrange(1, 5))
            case 3:
                del out[at : at + chance.randrange(1, 20)]
            case 4:
                out[at:at] = out[at : at + chance.randrange(1, 60)]
            case 5:
                other = chance.choice(others)
                start = chance.randrange(len(other) + 1)
                out[at : at + chance.randrange(30)] = other[start : start + chance.randrange(1, 60)]
            case _:
                del out[at:]
    return bytes(out[:20_000])


def mutations(kind: str) -> st.SearchStrategy[bytes]:
    """Every seed as it is, mutations of them, and noise."""
    known = seeds(kind)
    changed = st.builds(
        lambda seed, number: mutate(known[number % len(known)], known, random.Random(seed)),
        st.integers(0, 2**48),
        st.integers(0, 1000),
    )
    return changed | st.sampled_from(known) | st.binary(max_size=300)


class Bench:
    """A port with a room and a host in it, whose page never speaks by itself."""

    def __init__(self) -> None:
        self.port = Port()
        self.room = Room("fuzz", 8, self.port, Identity(), Events())
        self.person = self.enter("host", Role.HOST)
        self.enter("party", Role.PARTY)
        self.said: list[str] = []
        self.session = Signalling(SimpleNamespace(end_room=lambda *_: None, captures=None), "fuzz", None)  # pyright: ignore[reportArgumentType]
        self.session.say = lambda message: self.said.append(message["type"])  # pyright: ignore[reportAttributeAccessIssue]

    def enter(self, name: str, role: Role) -> Participant:
        return self.room.enter(Invitation("fuzz", name, name, role, 2**50), self)

    def say(self, message: dict[str, Any]) -> None:
        json.dumps(message)

    def end(self, code: str) -> None: ...


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.port._socket.close()


@contextmanager
def running() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def test_every_kind_has_seeds() -> None:
    assert all(seeds(kind) for kind in KINDS)


@TIMES
@given(mutations("sdp"))
def test_offers(bench: Bench, data: bytes) -> None:
    named = {"0": "microphone", "1": "camera"}
    for number in (1, bench.person.peer_number or 1):  # a first offer, or a later one to the same peer
        with suppress(VideoError):
            bench.room.offer(bench.person, number, data.decode("utf-8", "replace"), named)  # pyright: ignore[reportArgumentType]
    with suppress(VideoError):
        bench.room.offer(bench.person, bench.person.peer_number + 1, data.decode("utf-8", "replace"), {})
    for peer in bench.room.closing:
        bench.port.forget(peer.lane)
    bench.room.closing.clear()
    bench.room._events.drain()


@TIMES
@given(mutations("stun"), st.booleans())
def test_connectivity_checks(bench: Bench, data: bytes, signed: bool) -> None:
    username_of(data)
    bench.port.on_stun(data, ADDRESS)
    owner = SimpleNamespace(on_path=lambda: None)
    endpoint = bench.port.admit(owner, bench.port.forwarder.open("fuzz"))  # pyright: ignore[reportArgumentType]
    try:
        addressed = data.replace(b"UFRAGUFRAGUF", endpoint.ufrag.encode())
        bench.port.on_stun(addressed, ADDRESS)
        if signed:  # a peer of ours may send rubbish too
            with suppress(ValueError, IndexError, KeyError, StructError):
                check = stun.parse_message(addressed)
                check.attributes.pop("MESSAGE-INTEGRITY", None)
                check.attributes.pop("FINGERPRINT", None)
                check.add_message_integrity(endpoint.password.encode())
                bench.port.on_stun(bytes(check), ADDRESS)
    finally:
        bench.port.forget(endpoint.lane)


@TIMES
@given(mutations("rtp"))
def test_media_packets(data: bytes) -> None:
    extensions_of(data)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as theirs,
    ):
        for one in (ours, theirs):
            one.bind(("127.0.0.1", 0))
            one.setblocking(False)
        nothing = SimpleNamespace(
            on_stun=lambda *_: None,
            on_dtls=lambda *_: None,
            on_rtcp=lambda *_: None,
            on_unknown=lambda *_: None,
            on_stray=lambda *_: None,
        )
        forwarder = Forwarder(ours, nothing)  # pyright: ignore[reportArgumentType]
        lane = forwarder.open("fuzz")
        forwarder.move(lane, theirs.getsockname())
        forwarder.extensions(lane, twcc=3, level=1)
        key = bytes(range(30))
        inbound, outbound = (
            Session(Policy(key=key, ssrc_type=kind))
            for kind in (Policy.SSRC_ANY_INBOUND, Policy.SSRC_ANY_OUTBOUND)
        )
        forwarder.keys(lane, inbound, Session(Policy(key=key, ssrc_type=Policy.SSRC_ANY_OUTBOUND)))
        for kind, codec, number, ssrc in (
            ("video", "VP8", 96, 0x11111111),
            ("video", "H264", 102, 0x33333333),
        ):
            forwarder.publish(lane, Source(kind, codec, 90_000, number, number + 1, ssrc, ssrc + 1))  # pyright: ignore[reportArgumentType]
        track = forwarder.publish(lane, Source("audio", "OPUS", 48_000, 111, 0, 0x22222222))
        forwarder.tap(track, lambda stamp, payload: None)
        theirs.sendto(data[:1500], ours.getsockname())
        with suppress(Exception):  # libsrtp refuses to encrypt what is no packet at all
            theirs.sendto(outbound.protect(data[:1400]), ours.getsockname())
        forwarder.on_readable()


@TIMES
@given(mutations("rtcp"))
def test_reports(bench: Bench, data: bytes) -> None:
    with suppress(MalformedPacket):
        parse_rtcp(data)
    peer = bench.person.peer
    if isinstance(peer, Peer):
        peer.on_rtcp(data)


@TIMES
@given(st.lists(mutations("frame"), min_size=1, max_size=6))
def test_frames(bench: Bench, texts: list[bytes]) -> None:
    with running() as runner:
        for text in texts:
            bench.session._frames = SimpleNamespace(take=lambda: True)  # pyright: ignore[reportAttributeAccessIssue]
            bench.person.outlet = bench.session
            if bench.person.id not in bench.room.people:
                bench.person = bench.enter("host", Role.HOST)
                bench.person.outlet = bench.session
            named = text.decode("utf-8", "replace").replace("HOSTID", bench.person.id)
            runner.run(bench.session._one(bench.room, bench.person, named))
            bench.room.beat()
    bench.room._events.drain()


@settings(TIMES, max_examples=2_000 if LONG else 30)
@given(st.lists(mutations("dtls"), min_size=1, max_size=4))
def test_handshakes(records: list[bytes]) -> None:
    async def shake() -> None:
        answers: list[bytes] = []
        handshake = Handshake(Identity().current(), answers.append, lambda: None)
        expected = [Fingerprint("sha-256", ":".join(["AA"] * 32))]
        task = asyncio.create_task(handshake.run(expected))
        for record in records:
            if not is_plain_alert(record):
                handshake.feed(record)
            await asyncio.sleep(0)
        for _ in range(200):  # more than may wait: dropped, not kept
            handshake.feed(records[0])
        await asyncio.sleep(0.01)
        assert sum(map(len, answers)) < 200_000
        await handshake.close()
        task.cancel()
        with suppress(HandshakeFailed, asyncio.CancelledError):
            await task

    with running() as runner:
        runner.run(shake())


@TIMES
@given(mutations("token"))
def test_tokens(data: bytes) -> None:
    with suppress(TokenRefused):
        verify(b"secret", data.decode("latin-1"), "mediation")


@TIMES
@given(mutations("picture"))
def test_pictures(data: bytes) -> None:
    with suppress(CaptureRefused):
        _picture(data)
