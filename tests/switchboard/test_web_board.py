from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import WSMsgType, WSServerHandshakeError
from hypothesis import given
from hypothesis import strategies as st

from switchboard.errors import Unavailable
from switchboard.web import board as board_module
from switchboard.web.board import LiveBoard
from tests.support.web import Client, SmallHouse, sign_in


class Page:
    """What a page makes of the stream: change N+1 on N and nothing else."""

    def __init__(self, snapshot: str) -> None:
        first = json.loads(snapshot)
        assert first["type"] == "snapshot"
        self.seq: int = first["seq"]
        self.items: dict[str, Any] = first["items"]

    def take(self, frame: str) -> None:
        told = json.loads(frame)
        if told["type"] == "beat":
            assert told["seq"] == self.seq
            return
        assert told["seq"] == self.seq + 1
        assert told["set"] or told["del"]
        self.seq = told["seq"]
        self.items.update(told["set"])
        for key in told["del"]:
            del self.items[key]


keys = st.sampled_from(["contact/c-1", "contact/c-2", "agent/v001", "figures/all"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("set"), keys, st.integers(0, 3)),
        st.tuples(st.just("delete"), keys),
        st.tuples(st.just("flush")),
        st.tuples(st.just("attach")),
    ),
    max_size=60,
)


@given(steps)
def test_snapshot_and_changes_make_the_same_picture_for_everybody(taken: list[tuple[Any, ...]]) -> None:
    async def run() -> None:
        board = LiveBoard(gather_s=60)
        truth: dict[str, Any] = {}
        watching = []
        for step in taken:
            match step:
                case ("set", key, value):
                    board.set(key, {"n": value})
                    truth[key] = {"n": value}
                case ("delete", key):
                    board.delete(key)
                    truth.pop(key, None)
                case ("flush",):
                    board.flush()
                case _:
                    watching.append(board.attach())
        board.flush()
        for watcher in [*watching, board.attach()]:
            page = Page(watcher.snapshot)
            while not watcher.frames.empty():
                page.take(watcher.frames.get_nowait()[1])
            assert (page.items, page.seq) == (truth, board.seq)

    asyncio.run(run())


async def test_changes_within_a_moment_are_told_once() -> None:
    board = LiveBoard(gather_s=0.01)
    watcher = board.attach()
    for number in range(100):
        board.set("figures/all", {"n": number})
    board.set("gone", {})
    board.delete("gone")
    _, frame = await asyncio.wait_for(watcher.frames.get(), 5)
    told = json.loads(frame)
    assert (told["set"], told["del"], told["seq"]) == ({"figures/all": {"n": 99}}, [], 1)
    board.set("figures/all", {"n": 99})
    board.flush()
    assert board.seq == 1
    assert board.get("figures/all") == {"n": 99}


async def test_a_value_changed_after_it_was_set_is_not_shown() -> None:
    board = LiveBoard()
    value = {"n": [1]}
    board.set("a", value)
    value["n"].append(2)
    board.flush()
    assert json.loads(board.attach().snapshot)["items"] == {"a": {"n": [1]}}
    with pytest.raises(TypeError):
        board.set("a", {"n": object()})


async def test_a_watcher_that_falls_behind_is_marked_and_gets_no_more() -> None:
    board = LiveBoard(gather_s=60, room=3)
    watcher = board.attach()
    for number in range(5):
        board.set("a", {"n": number})
        board.flush()
    assert watcher.too_slow.is_set()
    assert watcher.frames.qsize() == 3


async def test_there_is_a_limit_to_how_many_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_module, "MOST_WATCHERS", 1)
    board = LiveBoard()
    first = board.attach()
    with pytest.raises(Unavailable):
        board.attach()
    board.detach(first)
    board.attach()


async def test_a_supervisor_gets_snapshot_changes_and_beats_without_a_gap(
    client: Client, house: SmallHouse
) -> None:
    await sign_in(client, "sun")
    house.board.set("agent/v001", {"id": "v001", "name": "王敏"})
    house.board.flush()

    async def change(number: int) -> None:
        for step in range(20):
            house.board.set(f"contact/c-{number}", {"n": step})
            if step % 7 == 3:
                house.board.delete(f"contact/c-{number}")
            await asyncio.sleep(0.003)

    async with client.ws_connect("/ws/board") as first:
        page = Page(await first.receive_str())
        assert page.items == {"agent/v001": {"id": "v001", "name": "王敏"}}
        changes = asyncio.gather(*(change(number) for number in range(10)))
        async with client.ws_connect("/ws/board") as second:
            late = Page(await second.receive_str())
            await changes
            house.board.flush()
            for seen, socket in ((page, first), (late, second)):
                beats = 0
                while seen.seq < house.board.seq or beats < 1:
                    frame = await socket.receive_str(timeout=5)
                    beats += '"beat"' in frame
                    seen.take(frame)
    assert page.items == late.items
    assert page.items["contact/c-3"] == {"n": 19}


async def test_the_board_is_not_for_volunteers_strangers_and_other_sites(client: Client) -> None:
    for name in (None, "v001"):
        if name is not None:
            await sign_in(client, name)
        with pytest.raises(WSServerHandshakeError) as refused:
            await client.ws_connect("/ws/board")
        assert refused.value.status == 403
    await sign_in(client, "sun")
    with pytest.raises(WSServerHandshakeError) as refused:
        await client.ws_connect("/ws/board", headers={"Origin": "https://evil.example"})
    assert refused.value.status == 403


async def test_who_speaks_to_the_board_is_no_board(client: Client) -> None:
    await sign_in(client, "sun")
    async with client.ws_connect("/ws/board") as socket:
        await socket.receive_str()
        await socket.send_str("hello")
        assert (await socket.receive(timeout=5)).type is WSMsgType.CLOSE
        assert socket.close_code == 4400


async def test_a_session_that_ends_ends_its_board(
    client: Client, house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_module, "LOOK_AGAIN_S", 0.0)
    await sign_in(client, "sun")
    async with client.ws_connect("/ws/board") as socket:
        await socket.receive_str()
        await house.records.people.set_disabled("sun", True)
        while (await socket.receive(timeout=5)).type is WSMsgType.TEXT:
            pass
        assert socket.close_code == 4401


async def test_a_page_that_does_not_read_is_cut_off_and_costs_no_more(
    client: Client, house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_module, "CLOSE_S", 0.3)
    await sign_in(client, "sun")
    async with client.ws_connect("/ws/board") as socket:
        await socket.receive_str()
        connection = socket._conn  # pyright: ignore[reportPrivateUsage]
        assert connection is not None
        assert connection.transport is not None
        connection.transport.pause_reading()
        (watcher,) = house.board._watchers  # pyright: ignore[reportPrivateUsage]
        number = 0
        while house.board._watchers:  # pyright: ignore[reportPrivateUsage]
            number += 1
            house.board.set("figures/all", {"n": number, "filler": "x" * 5_000})
            house.board.flush()
            assert watcher.frames.qsize() <= 1_000
            await asyncio.sleep(0)
            assert number < 500_000
        assert watcher.too_slow.is_set()
        connection.transport.resume_reading()
        while (message := await socket.receive(timeout=5)).type is WSMsgType.TEXT:
            pass
        assert message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED)


async def test_a_page_that_reads_again_in_time_learns_that_it_was_too_slow(
    client: Client, house: SmallHouse
) -> None:
    house.board._room = 5  # pyright: ignore[reportPrivateUsage]
    await sign_in(client, "sun")
    async with client.ws_connect("/ws/board") as socket:
        await socket.receive_str()
        for number in range(10):
            house.board.set("figures/all", {"n": number})
            house.board.flush()
        while (await socket.receive(timeout=5)).type is WSMsgType.TEXT:
            pass
        assert socket.close_code == 4429


async def test_a_server_that_goes_down_says_goodbye(client: Client) -> None:
    await sign_in(client, "sun")
    async with client.ws_connect("/ws/board") as socket:
        await socket.receive_str()
        closing = asyncio.create_task(client.server.close())
        while (await socket.receive(timeout=5)).type is WSMsgType.TEXT:
            pass
        assert socket.close_code == 1001
        await closing
