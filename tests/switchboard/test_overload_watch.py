"""In the running house: too many wait, volunteers on standby come; it is calm again, they go back."""

import asyncio
import tomllib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from routing.estimate import LEAST_SAMPLE
from routing.policy_file import DEFAULT_FILE
from switchboard.app import node
from switchboard.config import load_config
from switchboard.house import House
from switchboard.records.people import AgentRow
from tests.support.ports import free_port
from tests.support.switchboard import eventually

QUICK = """
[overload]
rise_s = 0
backup = { above_s = 2, below_s = 1, fall_s = 0 }
callback = { above_s = 500, below_s = 300, fall_s = 0 }
message = { above_s = 900, below_s = 600, fall_s = 0 }
"""


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A node without telephony whose steps follow within seconds."""
    text = DEFAULT_FILE.read_text(encoding="utf-8")
    begin, end = text.index("[overload]"), text.index("[[languages]]")
    policy = tmp_path / "policy.toml"
    policy.write_text(text[:begin] + QUICK + "\n" + text[end:], encoding="utf-8")
    assert tomllib.loads(policy.read_text(encoding="utf-8"))["overload"]["rise_s"] == 0
    config = load_config(
        data_dir=tmp_path / "data",
        asterisk="none",
        http_port=free_port(),
        https_port=0,
        video_port=0,
        policy_file=policy,
    )
    async with node(config) as started:
        yield started


async def until(seen: Callable[[], object]) -> None:
    """Wait for a condition; a minute is far more than it takes."""

    async def holds() -> bool:
        return bool(seen())

    await eventually(holds, 60, "the condition")


async def sign_in(house: House, name: str, *, backup: bool = False) -> None:
    await house.records.upsert_agent(
        AgentRow(id=name, name=name, role="notary", skills={"notarization": 4}, backup=backup)
    )
    await house.desks.sign_in(name, f"desk-{name}", "sip", endpoint=f"Local/{name}@nowhere")


def state(house: House, name: str) -> tuple[str, str]:
    desk = house.desks.at(name)
    assert desk
    return desk.state["name"], desk.state["reason"]


async def test_volunteers_on_standby_come_when_too_many_wait_and_go_back_when_it_is_calm(
    house: House,
) -> None:
    await sign_in(house, "n1")
    await sign_in(house, "b1", backup=True)
    await until(lambda: state(house, "b1") == ("paused", "standby"))
    assert house.overload.level("notary") == "normal"
    # Somebody waits, and nobody is ready: without an estimate the wait of the first counts.
    entry = house.policy.entry("c-waits", matter="notarization", language="en")
    await house.engine.enter(entry)
    await until(lambda: house.overload.level("notary") == "backup")
    await until(lambda: state(house, "b1")[0] == "available")
    assert state(house, "n1")[0] == "paused", "only those on standby are called"
    assert house.overload.level("lawyer") == "normal"
    shown = house.board.get("overload/notary")
    assert shown
    assert (shown["level"], shown["waiting"]) == ("backup", 1)

    await house.engine.abandon("c-waits", "caller_left")
    await until(lambda: house.overload.level("notary") == "normal")
    await until(lambda: state(house, "b1") == ("paused", "standby"))
    await until(lambda: (house.board.get("overload/notary") or {})["level"] == "normal")

    async def both_written() -> bool:
        return await house.records.verify_audit() == 2

    await eventually(both_written, 10, "a row for each step")


async def test_a_step_that_two_nodes_take_is_written_down_once(house: House) -> None:
    steps = house.records.overload
    taken = await asyncio.gather(*(steps.step("notary", "normal", "backup", 1_000 + n) for n in range(2)))
    assert sorted(taken) == [False, True]
    assert await steps.step("notary", "backup", "callback", 2_000)
    assert not await steps.step("notary", "normal", "backup", 2_001), "the other node is late"
    assert not await steps.step("notary", "backup", "callback", 2_002)
    assert (await steps.now())["notary"] == ("callback", 2_000)
    assert await house.records.verify_audit() == 2


async def test_a_restart_does_not_take_an_overload_away(house: House) -> None:
    await house.engine.enter(house.policy.entry("c-waits", matter="notarization", language="en"))
    await house.records.overload.step("notary", "normal", "message", 1_000)
    await house.overload.resume()
    assert house.overload.level("notary") == "message"
    await house.overload.sample()
    assert house.overload.level("notary") == "message"  # nobody is on duty and somebody waits
    await house.engine.abandon("c-waits", "caller_left")
    await until(lambda: house.overload.level("notary") == "normal")


async def test_a_backup_who_chose_to_work_is_not_sent_back(house: House) -> None:
    await sign_in(house, "b1", backup=True)
    desk = house.desks.at("b1")
    assert desk
    await house.desks.ready(desk)
    await until(lambda: state(house, "b1")[0] == "available")
    await house.overload.sample()
    await house.overload.sample()
    assert state(house, "b1")[0] == "available"
    await desk.command({"type": "pause", "id": "1", "reason": "standby"})
    await until(lambda: state(house, "b1") == ("paused", "standby"))


async def test_only_a_backup_may_stand_by(house: House) -> None:
    await sign_in(house, "n1")
    desk = house.desks.at("n1")
    assert desk
    assert "standby" not in desk.pause_reasons()
    answer = await desk.command({"type": "pause", "id": "1", "reason": "standby"})
    assert answer["code"] == "bad_reason"


async def test_the_estimate_is_hidden_until_enough_contacts_were_seen(house: House) -> None:
    await sign_in(house, "n1")
    desk = house.desks.at("n1")
    assert desk
    await house.desks.ready(desk)
    estimator = house.overload.estimator
    assert estimator.newcomer("notary", await house.engine.now_ms()) is None
    for number in range(LEAST_SAMPLE):
        held = await house.engine.enter(house.policy.entry(f"c-{number}", matter="notarization"))
        assert held
        await house.engine.accept(held.id)
        await house.engine.finish(held.id, 0)
    now_ms = await house.engine.now_ms()
    await until(lambda: estimator.newcomer("notary", now_ms) is not None)


async def test_states_of_volunteers_are_kept_for_replaying_the_day(house: House) -> None:
    await sign_in(house, "n1")
    desk = house.desks.at("n1")
    assert desk
    await house.desks.ready(desk)
    await until(lambda: state(house, "n1")[0] == "available")

    async def kept() -> bool:
        return [one.state for one in await house.records.agent_states("n1")] == ["paused", "available"]

    await eventually(kept, 30, "both states kept")
