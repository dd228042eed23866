"""``switchboard hotline`` and ``known-callers``: what an operator sees of a call without a telephone."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ivr.hotline import SEEDS
from switchboard.cli import app

OFFICE = '\n[[hours]]\ndays = ["working_days"]\nopen = ["09:00-17:00"]\n'


@pytest.fixture(autouse=True)
def _own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCHBOARD_DATA_DIR", str(tmp_path / "data"))


def run(*arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=typed)


@pytest.fixture
def office(tmp_path: Path) -> str:
    """The built-in hotline with office hours."""
    file = tmp_path / "office.toml"
    file.write_text((SEEDS / "12348.toml").read_text("utf-8") + OFFICE, "utf-8")
    return str(file)


def test_a_walk_prints_every_word_and_the_queue() -> None:
    done = run("hotline", "walk", "--keys", "712")
    assert done.exit_code == 0, done.output
    assert "lawyer|labour|zh" in done.output
    assert "over_80, 180 s" in done.output
    assert done.output.index("按井号键") < done.output.index("press nine")


def test_keys_are_typed_at_the_keyboard_and_hanging_up_is_one_of_them() -> None:
    done = run("hotline", "walk", typed="9\nwhat\n2\n")
    assert "lawyer|labour|en" in done.output
    assert "hung up" in run("hotline", "walk", typed="q\n").output
    assert "hung up" in run("hotline", "walk", typed="").output


@pytest.mark.parametrize(
    ("keys", "end"),
    [
        ("61#", "information heard: prison"),
        ("610", "rectification_worker|rectification_prison|zh"),
        ("65", "transfer: 110"),
        ("63", "supervisor|service_complaint|zh"),
        ("#0", "not recorded"),
        ("-", "lawyer|law_inquiry|zh"),
    ],
)
def test_each_way_says_where_the_call_ends(keys: str, end: str) -> None:
    assert end in run("hotline", "walk", "--keys", keys).output


def test_the_day_and_the_hour_can_be_chosen(office: str) -> None:
    closed = run("hotline", "walk", "--file", office, "--at", "2026-10-01T10:00", "--keys", "2")
    assert "message mode: labour, 下次 next: 2026-10-08 09:00" in closed.output
    made_up = run("hotline", "walk", "--file", office, "--at", "2026-10-10T10:00", "--keys", "2")
    assert "lawyer|labour|zh" in made_up.output


def test_an_unknown_number_and_a_wrong_hour_are_said() -> None:
    assert "not a number of ours" in run("hotline", "walk", "95555").output
    assert run("hotline", "walk", "--at", "noon").exit_code == 2
    assert run("hotline", "walk", "--keys", "abc").exit_code == 2


def test_check_names_every_mistake_of_a_file(tmp_path: Path, office: str) -> None:
    assert run("hotline", "check", office).exit_code == 0
    text = Path(office).read_text("utf-8")
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(
        text.replace('matter = "debt"', 'matter = "astrology"').replace("menu_labour", "menu_none")
    )
    done = run("hotline", "check", str(wrong))
    assert done.exit_code == 2
    assert "no matter astrology" in done.output
    assert "no prompt menu_none" in done.output
    wrong.write_text("number = ")
    assert "not TOML" in run("hotline", "check", str(wrong)).output
    assert run("hotline", "check", str(tmp_path / "none.toml")).exit_code == 2


def test_known_callers_are_added_listed_imported_and_removed(tmp_path: Path) -> None:
    assert run("known-callers", "add", "+8613800138000", "over_80").exit_code == 0
    assert "over_80" in run("hotline", "walk", "--caller", "013800138000", "--keys", "2").output
    file = tmp_path / "list.csv"
    file.write_text("number,reason\n13800138001,minor\n")
    assert "1 numbers" in run("known-callers", "import", str(file)).output
    listed = run("known-callers", "list").output
    assert "13800138000" in listed
    assert "13800138001" in listed
    assert run("known-callers", "remove", "13800138000").exit_code == 0
    assert run("known-callers", "remove", "13800138000").exit_code == 2
    assert run("known-callers", "add", "13800138000", "rich").exit_code == 2
    file.write_text("hello,minor\n")
    assert "line 1" in run("known-callers", "import", str(file)).output
