"""`switchboard simulate` prints what it found, takes CSV in and out, and a recorded day can be replayed."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from routing.policy import Policy
from routing.policy_file import DEFAULT_FILE
from routing.simulate.files import CALLERS_FILE, read_day
from switchboard.cli import app
from switchboard.commands.recorded import callers_of, duty_of
from switchboard.records.people import AgentRow
from switchboard.records.queries import begin_of_day_ms
from switchboard.records.store import Records, StateChange

SMALL = ["--calls", "150", "--volunteers", "12", "--backups", "2"]
NINE = int(datetime(2026, 11, 20, 1, tzinfo=UTC).timestamp() * 1000)
"""Nine o'clock in China."""


def run(*args: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["simulate", *map(str, args)])
    return result.exit_code, result.output


def test_a_day_is_written_read_again_and_drawn(tmp_path: Path) -> None:
    code, first = run(*SMALL, "--write", tmp_path / "day", "--plot", tmp_path / "day.svg", "--matters")
    assert code == 0
    assert "app_queue rrmemory" in first
    assert (tmp_path / "day.svg").read_text(encoding="utf-8").startswith("<svg")
    code, again = run("--day", tmp_path / "day")
    assert code == 0
    assert "150 callers, 12 volunteers" in again


def test_two_policies_are_compared_on_the_same_callers(tmp_path: Path) -> None:
    strict = tmp_path / "strict.toml"
    text = DEFAULT_FILE.read_text(encoding="utf-8")
    strict.write_text(text.replace("after_s = 10", "after_s = 15"), encoding="utf-8")
    code, found = run(*SMALL, "--seeds", "2", "--against", strict)
    assert code == 0
    assert "the other rules" in found
    assert "difference" in found
    code, same = run(*SMALL, "--against", DEFAULT_FILE)
    assert code == 0
    assert "+0.0" in same


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["--surge", "football"], "there is no matter football"),
        (["--strategy", "ringall"], "--strategy: write one of rrmemory"),
        (["--steps", "panic"], "--steps: write one of normal"),
        (["--day", "nowhere"], "callers.csv: cannot be read"),
        (["--policy", "nowhere.toml"], "cannot be read"),
        (["--record", "yesterday", "today"], "--write"),
        (["--record", "yesterday", "today", "--write", "x"], "write it as 2026-11-20T09:00"),
    ],
)
def test_what_is_wrong_is_said_in_words(args: list[str], named: str) -> None:
    code, found = run(*args)
    assert code == 2
    assert named in found


async def _a_day(records: Records) -> None:
    agent = AgentRow("v1", "甲", "lawyer", skills={"labour": 4})
    await records.upsert_agent(agent)
    for minute, state, reason in (
        *(
            (0, "paused", "signed_in"),
            (1, "available", None),
            (120, "paused", "meal"),
            (165, "available", None),
        ),
        (480, "offline", None),
    ):
        await records.log_agent_state("v1", state, reason, NINE + minute * 60_000)
    for name, minute, talk_s in (("c-1", 5, 300), ("c-2", 9, None)):
        at = NINE + minute * 60_000
        await records.append(
            name,
            "arrived",
            at_ms=at,
            medium="call",
            hotline="12348",
            caller="13800000000",
            channel="x",
            demo=False,
        )
        await records.append(
            name,
            "intake",
            at_ms=at,
            language="zh",
            matter="labour",
            priority=0,
            priority_reason=None,
            how="key",
        )
        await records.append(name, "queued", at_ms=at, entry=name)
        if talk_s:
            await records.append(name, "reserved", at_ms=at + 1_000, reservation=1, agent="v1")
            await records.append(name, "connected", at_ms=at + 6_000, reservation=1, agent="v1")
            await records.append(name, "disconnected", at_ms=at + 6_000 + talk_s * 1_000, by="agent")
        reason = "completed" if talk_s else "abandoned_waiting"
        ended = at + (400_000 if talk_s else 40_000)
        await records.append(name, "ended", at_ms=ended, reason=reason, by="caller", hangup_cause=16)


async def test_a_recorded_day_has_the_callers_and_volunteers_of_that_day(sqlite_records: Records) -> None:
    await _a_day(sqlite_records)
    found = [(await sqlite_records.contact(name)) for name in ("c-1", "c-2")]
    midnight = begin_of_day_ms(NINE)
    callers = callers_of([one[0] for one in found if one], midnight, Policy.load())
    assert [(one.matter, one.arrived_ms) for one in callers] == [
        ("labour", 9 * 3_600_000 + 300_000),
        ("labour", 9 * 3_600_000 + 540_000),
    ]
    served, gave_up = callers
    assert served.handle_ms == 300_000
    assert served.patience_ms > 6_000
    assert gave_up.patience_ms == 40_000
    agent = await sqlite_records.agent("v1")
    assert agent
    states = await sqlite_records.agent_states("v1")
    duty = duty_of(agent, states, midnight, NINE + 9 * 3_600_000)
    assert duty
    assert (duty.begins_ms, duty.ends_ms) == (9 * 3_600_000, 17 * 3_600_000)
    assert duty.breaks == ((11 * 3_600_000, 45 * 60_000),)


def test_somebody_who_was_not_there_is_on_no_roster() -> None:
    agent = AgentRow("v1", "甲", "lawyer")
    assert duty_of(agent, [], 0, 1) is None
    assert duty_of(agent, [StateChange("v1", "offline", None, 5)], 0, 10) is None


def test_the_recorded_day_is_exported_by_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    monkeypatch.setenv("SWITCHBOARD_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()

    async def fill() -> None:
        async with await Records.open(
            f"sqlite+aiosqlite:///{tmp_path / 'data' / 'switchboard.sqlite'}"
        ) as records:
            await _a_day(records)

    asyncio.run(fill())
    span = ("2026-11-20T09:00", "2026-11-20T17:30")
    code, said = run("--record", *span, "--write", tmp_path / "day")
    assert code == 0, said
    text = (tmp_path / "day" / CALLERS_FILE).read_text(encoding="utf-8")
    assert "13800000000" not in text
    day = read_day(tmp_path / "day" / CALLERS_FILE, tmp_path / "day" / "roster.csv", Policy.load())
    assert (len(day.callers), len(day.roster)) == (2, 1)
    code, said = run("--day", tmp_path / "day")
    assert code == 0, said
