"""Hotline files are checked before a caller could ever meet a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivr.errors import HotlineInvalid
from ivr.hotline import load_hotlines, parse_hotline
from ivr.prompts.catalogue import PromptSet
from ivr.waiting import place_prompts
from routing.policy import Policy

GOOD = """
number = "12348"
name_zh = "热线"
name_en = "Hotline"
[[menu]]
key = "1"
prompt = "menu_labour"
matter = "labour"
"""


def test_the_built_in_hotline_speaks_only_prompts_that_exist_in_every_language() -> None:
    prompts = PromptSet()
    for hotline in load_hotlines().values():
        for key in hotline.prompt_keys():
            for language in ("zh", "en"):
                assert prompts.media(language, key).startswith("sound:/")


def test_the_built_in_hotline_leads_only_to_matters_and_reasons_that_the_policy_knows() -> None:
    policy = Policy.load()
    for hotline in load_hotlines().values():
        assert hotline.matters() <= {matter.id for matter in policy.matters}
        assert hotline.reasons() == {priority.id for priority in policy.priorities}


def test_the_built_in_hotline_is_open_at_every_hour() -> None:
    assert load_hotlines()["12348"].hours == ()


def test_the_way_to_a_matter_is_at_most_two_keys() -> None:
    hotline = load_hotlines()["12348"]
    assert hotline.keys_to("labour") == "2"
    assert hotline.keys_to("service_complaint") == "63"
    assert hotline.keys_to("criminal") is None


def test_every_mistake_of_every_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(GOOD.replace('key = "1"', 'key = "0"'))
    (tmp_path / "b.toml").write_text(GOOD.replace('"12348"', '"abc"') + 'colour = "red"\n')
    (tmp_path / "c.toml").write_text("number = ")
    with pytest.raises(HotlineInvalid) as raised:
        load_hotlines(tmp_path)
    files = [problem.partition(":")[0] for problem in raised.value.problems]
    assert files.count("a.toml") == 1
    assert files.count("b.toml") == 2
    assert files.count("c.toml") == 1


def test_a_key_cannot_mean_two_things(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(GOOD + '[[languages]]\nkey = "1"\nlanguage = "en"\nprompt = "x"\n')
    with pytest.raises(HotlineInvalid, match="keys used twice: 1"):
        load_hotlines(tmp_path)


def test_two_files_cannot_share_a_number(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(GOOD)
    (tmp_path / "b.toml").write_text(GOOD)
    with pytest.raises(HotlineInvalid, match="already taken"):
        load_hotlines(tmp_path)


def test_an_empty_folder_is_an_error_and_not_a_silent_hotline(tmp_path: Path) -> None:
    with pytest.raises(HotlineInvalid, match="no hotline file"):
        load_hotlines(tmp_path)


def test_one_hotline_answers_on_all_its_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('also = ["02812348"]\n' + GOOD)
    (tmp_path / "b.toml").write_text(GOOD.replace("12348", "12338"))
    found = load_hotlines(tmp_path)
    assert sorted(found) == ["02812348", "12338", "12348"]
    assert found["02812348"] is found["12348"]
    (tmp_path / "b.toml").write_text(GOOD.replace("12348", "02812348"))
    with pytest.raises(HotlineInvalid, match="number 02812348 is already taken"):
        load_hotlines(tmp_path)


SUBMENU = """
[[menu]]
key = "2"
prompt = "menu_services"
submenu = "services"
[[submenus]]
id = "services"
[[submenus.menu]]
key = "1"
prompt = "menu_notarization_1"
matter = "notarization"
"""
TRANSFER = '[[transfers]]\nid = "police"\nnumber = "110"\nname_zh = "报警"\nname_en = "Police"\n'


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (
            GOOD + SUBMENU.replace('submenu = "services"', 'submenu = "elsewhere"'),
            "there is no submenu elsewhere",
        ),
        (
            GOOD + SUBMENU.replace('submenu = "services"', 'matter = "debt"'),
            "no line of the menu leads there",
        ),
        (GOOD + SUBMENU.replace('matter = "notarization"', 'submenu = "services"'), "two levels at most"),
        (
            GOOD + SUBMENU + '[[submenus.menu]]\nkey = "1"\nprompt = "x"\nmatter = "debt"\n',
            "keys used twice: 1",
        ),
        (GOOD.replace('matter = "labour"', ""), "exactly one of"),
        (GOOD + 'transfer = "police"\n' + TRANSFER, "exactly one of"),
        (GOOD.replace('matter = "labour"', 'transfer = "fire"') + TRANSFER, "there is no transfer fire"),
        (GOOD + TRANSFER.replace('"110"', '"110&PJSIP/900"'), "transfers.0.number"),
        (GOOD + TRANSFER.replace('"110"', '"110@evil.example"'), "transfers.0.number"),
        (GOOD + TRANSFER.replace('"110"', '"１１０"'), "transfers.0.number"),
        (GOOD.replace('"menu_labour"', '"../secret"'), "menu.0.prompt"),
        ('also = ["12348"]\n' + GOOD, "numbers given twice: 12348"),
        (GOOD + '[[hours]]\ndays = ["monday"]\nopen = []\n', "hours.0.days"),
        (GOOD + '[[hours]]\ndays = ["mon"]\nopen = ["9-12"]\n', 'write "09:00-12:00"'),
        (GOOD + '[[hours]]\ndays = ["mon"]\nopen = ["22:00-06:00"]\n', "write two spans"),
        (GOOD + '[[hours]]\ndays = ["mon"]\nopen = ["09:00-12:00", "11:00-13:00"]\n', "overlap"),
        ("x" * 300_000, "longer than"),
        ("a = " + "[" * 5_000, "not TOML"),
    ],
)
def test_every_kind_of_mistake_is_refused_in_words(text: str, named: str) -> None:
    with pytest.raises(HotlineInvalid) as raised:
        parse_hotline(text)
    assert any(named in problem for problem in raised.value.problems), raised.value.problems


def test_a_menu_has_at_most_eight_lines() -> None:
    lines = "".join(f'[[menu]]\nkey = "{key}"\nprompt = "x"\nmatter = "debt"\n' for key in "23456789")
    with pytest.raises(HotlineInvalid, match="at most 8 lines"):
        parse_hotline(GOOD + lines)


def test_the_place_is_spoken_as_a_whole_phrase() -> None:
    assert place_prompts(0) == ["next_in_line"]
    assert place_prompts(3) == ["ahead_3"]
    assert place_prompts(51) == ["ahead_many"]
