"""Hotline files are checked before a caller could ever meet a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivr.errors import HotlineInvalid
from ivr.hotline import load_hotlines
from ivr.intake import _first_menu, _menu
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


def test_the_built_in_hotline_leads_only_to_matters_that_somebody_serves() -> None:
    matters = {matter.id for matter in Policy.load().matters}
    for hotline in load_hotlines().values():
        assert {entry.matter for entry in hotline.menu} | {hotline.default_matter} <= matters


def test_another_language_is_offered_in_its_own_voice_and_only_once() -> None:
    hotline = load_hotlines()["12348"]
    assert _first_menu(hotline)[0] == "en/language_choice"
    assert not any("/" in key for key in _menu(hotline))


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


def test_the_place_is_spoken_as_a_whole_phrase() -> None:
    assert place_prompts(0) == ["next_in_line"]
    assert place_prompts(3) == ["ahead_3"]
    assert place_prompts(51) == ["ahead_many"]
