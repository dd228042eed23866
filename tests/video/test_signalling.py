"""The protocol at the socket: who gets in, who may do what, and what rubbish does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, WSServerHandshakeError
from hypothesis import given
from hypothesis import strategies as st

from tests.video.rig import House, eventually, token
from video import participant as places
from video.errors import InvalidMessage
from video.events import Admitted, CameBack, CaucusChanged, Entered, Gone, Left, SentToWait
from video.messages import parse_frame
from video.room import VIEWERS_MAX
from video.tokens import Role


class Talker:
    """A page as far as the socket goes, without media."""

    def __init__(self, ws: ClientWebSocketResponse) -> None:
        self.ws = ws
        self.view: dict[str, Any] = {}
        self.welcome: dict[str, Any] = {}
        self.number = 10

    async def next(self, kind: str) -> dict[str, Any]:
        """The next frame of a kind; the room's picture is kept on the way."""
        async with asyncio.timeout(15):
            while True:
                message = await self.ws.receive()
                assert message.type is WSMsgType.TEXT, message
                frame = json.loads(message.data)
                if frame["type"] == "room":
                    self.view = frame
                if frame["type"] == kind:
                    return frame

    async def until(self, seen: Any) -> dict[str, Any]:
        while not self.view or not seen(self.view):
            await self.next("room")
        return self.view

    async def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        self.number += 1
        await self.ws.send_json({"type": kind, "id": self.number, **fields})
        while True:
            async with asyncio.timeout(15):
                frame = json.loads((await self.ws.receive()).data)
            if frame["type"] == "room":
                self.view = frame
            if frame.get("re") == self.number:
                return frame

    @property
    def id(self) -> str:
        return self.welcome["participant"]

    async def closed(self) -> str:
        async with asyncio.timeout(15):
            while True:
                message = await self.ws.receive()
                if message.type is WSMsgType.CLOSE:
                    assert message.data == 4400
                    return message.extra or ""


@asynccontextmanager
async def talking(
    house: House, text: str, room: str = "mediation", resume: str = ""
) -> AsyncIterator[Talker]:
    async with ClientSession() as session, session.ws_connect(house.socket(room), autoping=True) as ws:
        talker = Talker(ws)
        await ws.send_json({"type": "hello", "v": 1, "id": 1, "token": text, "resume": resume})
        talker.welcome = await talker.next("welcome")
        yield talker


async def refused(house: House, text: str, room: str = "mediation", **fields: Any) -> str:
    async with ClientSession() as session, session.ws_connect(house.socket(room)) as ws:
        await ws.send_json({"type": "hello", "v": 1, "id": 1, "token": text, **fields})
        talker = Talker(ws)
        error = await talker.next("error")
        assert error["zh"]
        assert error["en"]
        assert await talker.closed() == error["code"]
        return error["code"]


async def test_only_a_good_token_opens_the_door(house: House) -> None:
    assert await refused(house, token("a", room="other")) == "video.token_room"
    assert await refused(house, token("a", lasts_ms=-1)) == "video.token_expired"
    assert await refused(house, token("a", secret=b"foreign")) == "video.token"
    assert await refused(house, "") == "video.token"
    assert await refused(house, token("a"), v=2) == "video.version"
    assert house.bridge.rooms == {}


async def test_a_foreign_page_is_refused(house: House) -> None:
    async with ClientSession() as session:
        with pytest.raises(WSServerHandshakeError) as error:
            await session.ws_connect(house.socket(), headers={"Origin": "https://elsewhere.example"})
        assert error.value.status == 403


async def test_the_ninth_participant_is_told_that_the_room_is_full(house: House) -> None:
    async with asyncio.TaskGroup() as group, ClientSession() as session:
        sockets = [await session.ws_connect(house.socket()) for _ in range(8)]
        for number, ws in enumerate(sockets):
            await ws.send_json({"type": "hello", "v": 1, "token": token(f"p{number}")})
            await Talker(ws).next("welcome")
        assert await refused(house, token("ninth")) == "video.room_full"
        async with talking(house, token("watching", role=Role.VIEWER)) as viewer:
            assert viewer.welcome["role"] == "viewer"
        for ws in sockets:
            group.create_task(ws.close())


async def test_two_hundred_may_watch_and_no_more(house: House) -> None:
    class Quiet:
        def say(self, message: dict[str, Any]) -> None: ...

        def end(self, code: str) -> None: ...

    for number in range(VIEWERS_MAX):
        house.bridge.enter("mediation", token(f"v{number}", role=Role.VIEWER), Quiet())
    assert await refused(house, token("one more", role=Role.VIEWER)) == "video.viewers_full"
    async with talking(house, token("judge", role=Role.HOST)) as judge:
        assert (await judge.until(lambda view: view["viewers"] == 200))["participants"]


async def test_whoever_waits_is_admitted_and_sent_back(house: House) -> None:
    async with (
        talking(house, token("host", role=Role.HOST)) as host,
        talking(house, token("b", waits=True)) as guest,
    ):
        await guest.until(lambda view: view["standing"] == "waiting")
        assert guest.view["participants"] == []
        await host.until(lambda view: view["waiting"])
        assert (await guest.ask("admit", participant=guest.id))["code"] == "video.not_allowed"
        assert (await guest.ask("chat", text="?"))["code"] == "video.not_allowed"
        assert (await host.ask("admit", participant=guest.id))["type"] == "done"
        await guest.until(lambda view: view["standing"] == "here" and len(view["participants"]) == 2)
        assert (await host.ask("send_back", participant=guest.id))["type"] == "done"
        await guest.until(lambda view: view["standing"] == "waiting" and not view["participants"])
        assert (await host.ask("admit", participant="nobody"))["code"] == "video.no_participant"
        assert (await host.ask("remove", participant=guest.id))["type"] == "done"
        assert await guest.closed() == "video.sent_back"
    kinds = [type(event) for event in house.bridge.events.drain()]
    for kind in (Entered, Admitted, SentToWait, Left):
        assert kind in kinds


async def test_chat_stays_in_the_caucus(house: House) -> None:
    async with (
        talking(house, token("host", role=Role.HOST)) as host,
        talking(house, token("a")) as one,
        talking(house, token("b")) as other,
    ):
        assert (await one.ask("caucus", groups=[]))["code"] == "video.not_allowed"
        twice = await host.ask("caucus", groups=[[one.id], [one.id]])
        assert twice["code"] == "video.message"
        assert (await host.ask("caucus", groups=[[host.id, one.id]]))["type"] == "done"
        assert (await host.ask("chat", text="between us"))["type"] == "done"
        assert (await one.next("chat"))["text"] == "between us"
        await host.ask("caucus", groups=[])
        await host.ask("chat", text="for all")
        assert (await other.next("chat"))["text"] == "for all"
        await other.until(lambda view: view["groups"] == [])
    changes = [event for event in house.bridge.events.drain() if isinstance(event, CaucusChanged)]
    assert set(changes[0].flows) == {(host.id, one.id), (one.id, host.id)}
    assert len(changes[1].flows) == 6
    assert [change.crossed for change in changes] == [0, 0]


async def test_a_cut_socket_gets_its_place_back(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("video.room.GONE_AFTER_S", 0.3)
    async with talking(house, token("a", lasts_ms=2_000)) as first:
        resume, who = first.welcome["resume"], first.id

        async def gone() -> bool:
            return house.person("a").standing is places.Standing.GONE

        await eventually(gone, "the page is missed")
    async with talking(house, "", resume=resume) as again:
        assert again.id == who
        await again.until(lambda view: view["standing"] == "here")
    kinds = [type(event) for event in house.bridge.events.drain()]
    assert kinds.index(Gone) < kinds.index(CameBack)
    assert Left not in kinds


async def test_a_place_is_given_up_in_the_end(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("video.room.GONE_AFTER_S", 0.1)
    monkeypatch.setattr("video.room.KEPT_S", 0.3)
    async with talking(house, token("a")) as lost:
        assert await lost.closed() == "video.place_lost"
        secret = lost.welcome["resume"]
    assert await refused(house, "", resume=secret) == "video.place_lost"


async def test_the_same_person_elsewhere_takes_the_place_over(house: House) -> None:
    async with talking(house, token("a")) as first, talking(house, token("a")) as second:
        assert first.id == second.id
        assert await first.closed() == "video.elsewhere"
        assert (await second.ask("chat", text="here"))["type"] == "done"


async def test_rubbish_is_answered_with_a_code_and_harms_nobody(house: House) -> None:
    async with talking(house, token("a")) as page:
        for text in (
            "",
            "{",
            "[]",
            "null",
            '{"type":"offer"}',
            '{"type":"hello","v":1}',
            '{"type":"x"}',
            "[" * 50_000,
        ):
            await page.ws.send_str(text)
            assert (await page.next("error"))["code"] == "video.message"
        answer = await page.ask("offer", peer=1, sdp="v=0\r\nrubbish")
        assert answer["code"] == "video.description"
        assert (await page.ask("layer", mid="9", rid="x"))["code"] == "video.message"
        assert (await page.ask("chat", text="still here"))["type"] == "done"
        assert len(house.bridge.peers()) == 0


async def test_more_frames_than_a_person_can_cause_are_refused(house: House) -> None:
    async with talking(house, token("a")) as page:
        for _ in range(200):
            await page.ws.send_str('{"type":"heartbeat"}')
        assert (await page.next("error"))["code"] == "video.too_fast"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=20,
    )
    | st.fixed_dictionaries(
        {"type": st.sampled_from(["hello", "offer", "caucus", "chat", "mute", "layer"])},
        optional={
            "v": st.integers() | st.text(max_size=3),
            "groups": st.lists(st.lists(st.text(max_size=4), max_size=3), max_size=3),
            "tracks": st.dictionaries(st.text(max_size=4), st.text(max_size=8), max_size=3),
            "text": st.text(max_size=10),
            "id": st.integers(),
        },
    )
)
def test_any_json_is_a_frame_or_refused(value: object) -> None:
    with suppress(InvalidMessage):
        parse_frame(json.dumps(value))
