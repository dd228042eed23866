"""A day as CSV comes back as it was, and every mistake in a file is named with its line and what to write."""

from pathlib import Path

import pytest

from routing.policy import Policy
from routing.simulate.errors import DayInvalid
from routing.simulate.figures import service_levels
from routing.simulate.files import CALLER_COLUMNS, CALLERS_FILE, ROSTER_FILE, read_day, write_day
from routing.simulate.generate import Recipe, make_day
from routing.simulate.plot import day_svg
from routing.simulate.run import Run

POLICY = Policy.load()
CALLER = "c1,09:00,labour,zh,d1,0,60000,300000,5000,30000,7"
DUTY = "v1,lawyer,labour:5 debt:3,zh en,d1,09:00,17:00,12:00-12:45,no"
DUTY_HEAD = "id,role,skills,languages,district,begins,ends,breaks,backup"


def read(folder: Path, callers: str, roster: str) -> list[str]:
    """The mistakes."""
    (folder / CALLERS_FILE).write_text(callers, encoding="utf-8")
    (folder / ROSTER_FILE).write_text(roster, encoding="utf-8")
    with pytest.raises(DayInvalid) as caught:
        read_day(folder / CALLERS_FILE, folder / ROSTER_FILE, POLICY)
    return list(caught.value.problems)


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    day = make_day(7, Recipe(calls=200, volunteers=15, backups=3), POLICY)
    callers, roster = write_day(day, tmp_path / "day")
    again = read_day(callers, roster, POLICY)
    assert (again.callers, again.roster) == (day.callers, day.roster)


def test_a_file_from_a_spreadsheet_is_read_with_its_mark_and_shuffled_columns(tmp_path: Path) -> None:
    columns = list(reversed(CALLER_COLUMNS))
    cells = list(reversed(CALLER.split(",")))
    text = "\ufeff" + ",".join(columns) + "\r\n" + ",".join(cells) + "\r\n"
    (tmp_path / CALLERS_FILE).write_text(text, encoding="utf-8")
    (tmp_path / ROSTER_FILE).write_text(f"{DUTY_HEAD}\n{DUTY}\n", encoding="utf-8")
    day = read_day(tmp_path / CALLERS_FILE, tmp_path / ROSTER_FILE, POLICY)
    assert day.callers[0].arrived_ms == 9 * 3_600_000
    assert day.roster[0].breaks == ((12 * 3_600_000, 45 * 60_000),)


def test_every_mistake_in_both_files_is_named_at_once(tmp_path: Path) -> None:
    callers = "\n".join(
        [
            ",".join(CALLER_COLUMNS),
            CALLER,
            CALLER.replace("labour", "football").replace("c1", "c2"),
            CALLER.replace("09:00", "9 o'clock").replace("c1", "c3"),
            CALLER.replace("300000", "-5").replace("c1", "c4"),
            CALLER,
            "too,short",
        ]
    )
    roster = "\n".join(
        [
            DUTY_HEAD,
            DUTY.replace("lawyer", "magician"),
            DUTY.replace("labour:5", "labour:9").replace("v1", "v2"),
            DUTY.replace("zh en", "klingon").replace("v1", "v3"),
            DUTY.replace("17:00", "08:00").replace("v1", "v4"),
            DUTY.replace("12:00-12:45", "12:45-12:00").replace("v1", "v5"),
            DUTY.replace("no", "perhaps").replace("v1", "v6"),
        ]
    )
    text = "\n".join(read(tmp_path, callers, roster))
    for named in (
        "callers.csv, line 3, matter: 'football' is wrong; write one of marriage_family",
        "callers.csv, line 4, arrived:",
        "callers.csv, line 5, handle_ms: '-5' is wrong; write a whole number",
        "callers.csv, line 6, id: 'c1' is wrong; write another one: line 2 has it already",
        "callers.csv, line 7: has 2 columns; write 11",
        "roster.csv, line 2, role:",
        "roster.csv, line 3, skills:",
        "roster.csv, line 4, languages:",
        "roster.csv, line 5, ends:",
        "roster.csv, line 6, breaks:",
        "roster.csv, line 7, backup:",
    ):
        assert named in text, named


@pytest.mark.parametrize(
    ("callers", "roster", "named"),
    [
        ("", f"{DUTY_HEAD}\n{DUTY}\n", "callers.csv, line 1: the columns must be"),
        (",".join(CALLER_COLUMNS), f"{DUTY_HEAD}\n{DUTY}\n", "nobody calls"),
        (f"{','.join(CALLER_COLUMNS)}\n{CALLER}", DUTY_HEAD, "nobody is on duty"),
        (f"{','.join(CALLER_COLUMNS)}\n\x00\n", f"{DUTY_HEAD}\n{DUTY}\n", "callers.csv"),
    ],
)
def test_an_empty_or_broken_file_is_words(tmp_path: Path, callers: str, roster: str, named: str) -> None:
    assert named in "\n".join(read(tmp_path, callers, roster))


def test_a_missing_file_and_one_in_another_encoding_are_words(tmp_path: Path) -> None:
    with pytest.raises(DayInvalid, match="cannot be read"):
        read_day(tmp_path / "nowhere.csv", tmp_path / "nowhere.csv", POLICY)
    (tmp_path / CALLERS_FILE).write_bytes("姓名".encode("gb18030"))
    (tmp_path / ROSTER_FILE).write_text(f"{DUTY_HEAD}\n{DUTY}\n", encoding="utf-8")
    with pytest.raises(DayInvalid, match="UTF-8"):
        read_day(tmp_path / CALLERS_FILE, tmp_path / ROSTER_FILE, POLICY)


def test_a_thousand_mistakes_are_not_a_thousand_lines(tmp_path: Path) -> None:
    rows = [CALLER.replace("labour", "football").replace("c1", f"c{n}") for n in range(1_000)]
    problems = read(tmp_path, "\n".join([",".join(CALLER_COLUMNS), *rows]), f"{DUTY_HEAD}\n{DUTY}\n")
    assert len(problems) == 201
    assert problems[-1] == "and 800 more"


def test_the_picture_has_a_line_for_each_run_and_every_caller_in_its_bars() -> None:
    day = make_day(7, Recipe(calls=300, volunteers=15, backups=3), POLICY)
    result = Run(day, POLICY).run()
    assert sum(count for _, _, count in service_levels(result)) == 300
    svg = day_svg([("ours <now>", result), ("again", result)], "a day")
    assert svg.count("<polyline") == 2
    assert "ours &lt;now&gt;" in svg
