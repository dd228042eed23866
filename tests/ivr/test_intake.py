"""Whatever is pressed, a caller is heard, never stuck, and always ends with somebody or with what was wished for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.hotline import Hotline, load_hotlines
from ivr.intake import MOST_ROUNDS, Intake, announce, intake, tell
from tests.support.voice import ScriptedVoice

HOTLINE = load_hotlines()["12348"]
UNRECORDED = HOTLINE.model_copy(update={"record": "none"})


def closed(language: str) -> list[str]:
    return ["closed_hours", "closed_next"]


async def walk(
    keys: str, *, hotline: Hotline = HOTLINE, known: str | None = None
) -> tuple[Intake, ScriptedVoice]:
    """The announcement and the intake of somebody who presses these keys and then nothing; "-" is silence."""
    voice = ScriptedVoice([None if key == "-" else key for key in keys])
    await announce(voice, hotline)
    return await intake(voice, hotline, known=known), voice


async def test_the_announcement_of_recording_comes_before_the_first_question() -> None:
    _, voice = await walk("0")
    words = voice.words()
    assert words[:3] == ["welcome", "recording_notice", "recording_refuse"]
    assert words.index("recording_refuse") < words.index("language_choice")


async def test_nobody_is_asked_where_nothing_is_recorded() -> None:
    taken, voice = await walk("#0", hotline=UNRECORDED)
    assert "recording_notice" not in voice.words()
    assert "wrong_key" in voice.words()
    assert taken.how == "zero"


@pytest.mark.parametrize(
    ("keys", "matter", "how"),
    [
        ("", "law_inquiry", "nothing"),
        ("0", "law_inquiry", "zero"),
        ("2", "labour", "key"),
        ("42", "debt", "key"),
        ("54", "judicial_appraisal", "key"),
        ("5", "law_inquiry", "nothing"),
        ("50", "law_inquiry", "zero"),
        ("5*2", "labour", "key"),
        ("*2", "labour", "key"),
        ("63", "service_complaint", "key"),
        ("A2", "labour", "key"),
        ("59-", "law_inquiry", "nothing"),
        ("AB", "law_inquiry", "wrong_keys"),
        ("5992", "law_inquiry", "wrong_keys"),
        ("*" * 40, "law_inquiry", "wrong_keys"),
        ("5*" * 20, "law_inquiry", "wrong_keys"),
        ("7*" * 20, "law_inquiry", "wrong_keys"),
    ],
)
async def test_every_way_through_the_menu_ends_with_a_matter(keys: str, matter: str, how: str) -> None:
    taken, _ = await walk(keys)
    assert (taken.matter, taken.how, taken.wish) == (matter, how, "person")


async def test_who_presses_nothing_is_told_that_a_person_comes() -> None:
    _, voice = await walk("")
    assert voice.words()[-1] == "no_input_to_person"


async def test_a_complaint_is_announced_before_it_waits_for_the_supervisor() -> None:
    taken, voice = await walk("63")
    assert taken.matter == "service_complaint"
    assert voice.words()[-1] == "complaint_notice"


# ---- languages


async def test_english_goes_all_the_way() -> None:
    taken, voice = await walk("94-")
    after = voice.heard[voice.words().index("menu_repeat") + 1 :]
    assert taken.language == "en"
    assert {language for language, _ in after} == {"en"}
    spoken = [name for _, name in after]
    assert spoken[:2] == ["recording_notice", "recording_refuse"]  # the first time was in Chinese
    assert "menu_traffic_accident_1" in spoken
    assert spoken[-1] == "no_input_to_person"


async def test_each_language_is_offered_in_itself_and_only_once() -> None:
    _, voice = await walk("92")
    assert ("en", "language_choice") in voice.heard
    assert ("local", "language_choice_local") in voice.heard
    assert voice.words().count("language_choice") == 1


async def test_the_dialect_is_a_language_of_its_own() -> None:
    taken, _ = await walk("82")
    assert (taken.language, taken.matter) == ("local", "labour")


# ---- priority


@pytest.mark.parametrize(
    ("key", "reason"), [("1", "over_80"), ("2", "disability"), ("3", "servicemen"), ("4", "minor")]
)
async def test_priority_by_key_is_said_and_the_menu_goes_on(key: str, reason: str) -> None:
    taken, voice = await walk(f"7{key}2")
    assert (taken.priority, taken.matter, taken.how) == (reason, "labour", "key")
    words = voice.words()
    assert words.count("priority_given") == 1
    assert "menu_priority" not in words[words.index("priority_given") :]


@pytest.mark.parametrize("keys", ["7*2", "7-2", "702"])
async def test_who_is_none_of_them_goes_on_without_priority(keys: str) -> None:
    taken, voice = await walk(keys)
    assert (taken.priority, taken.matter) == (None, "labour")
    assert "priority_given" not in voice.words()


async def test_a_known_number_has_priority_which_is_said_and_not_asked() -> None:
    taken, voice = await walk("2", known="over_80")
    assert taken.priority == "over_80"
    assert voice.words().count("priority_given") == 1
    assert "menu_priority" not in voice.words()


# ---- consent


@pytest.mark.parametrize("keys", ["#2", "#42", "9#2", "7#12"])
async def test_the_pound_key_refuses_the_recording_and_not_the_talk(keys: str) -> None:
    taken, voice = await walk(keys)
    assert not taken.consent
    assert taken.wish == "person"
    assert voice.words().count("recording_refused") == 1
    assert "wrong_key" not in voice.words()


async def test_whoever_refuses_is_not_asked_again_in_another_language() -> None:
    _, voice = await walk("#92")
    assert "recording_notice" not in voice.words("en")


# ---- what needs no person


async def test_information_and_other_hotlines_are_wishes_of_their_own() -> None:
    prison, _ = await walk("61")
    assert (prison.wish, prison.what, prison.matter) == ("information", "prison", "rectification_prison")
    police, _ = await walk("65")
    assert (police.wish, police.what, police.matter) == ("transfer", "110", "law_inquiry")


@pytest.mark.parametrize(
    ("keys", "end", "times"),
    [("0", "person", 1), ("-", "person", 1), ("#", "done", 1), ("*0", "person", 2), ("5#", "done", 1)],
)
async def test_information_is_played_and_leads_to_a_person(keys: str, end: str, times: int) -> None:
    voice = ScriptedVoice([None if key == "-" else key for key in keys])
    assert await tell(voice, HOTLINE.recording_of("prison"), first_key_ms=4_000) == end
    assert voice.words().count("info_prison_levels") == times


async def test_information_is_not_played_for_ever() -> None:
    voice = ScriptedVoice("*" * 50)
    assert await tell(voice, HOTLINE.recording_of("rehabilitation"), first_key_ms=4_000) == "person"


# ---- outside the hours


async def test_when_closed_it_is_said_first_and_no_person_is_offered() -> None:
    voice = ScriptedVoice(["5", "*", None])
    taken = await intake(voice, HOTLINE, closed=closed)
    words = voice.words()
    assert words[:2] == ["closed_hours", "closed_next"]
    assert not {"menu_person_first", "menu_back", "no_input_to_person"} & set(words)
    assert "menu_back_only" in words
    assert taken.how == "nothing"


async def test_when_closed_it_is_said_again_in_the_language_that_was_chosen() -> None:
    voice = ScriptedVoice(["9", "2"])
    await intake(voice, HOTLINE, closed=closed)
    assert ("zh", "closed_hours") in voice.heard
    assert ("en", "closed_hours") in voice.heard


@given(st.lists(st.sampled_from([*"0123456789*#ABCD", None]), max_size=60), st.booleans())
async def test_whatever_is_pressed_the_intake_ends_after_a_few_questions(
    keys: list[str | None], shut: bool
) -> None:
    voice = ScriptedVoice(keys)
    taken = await intake(voice, HOTLINE, closed=closed if shut else None)
    assert len(voice.questions) <= MOST_ROUNDS
    assert taken.matter in HOTLINE.matters()
    assert taken.priority in {None, *HOTLINE.reasons()}
    assert taken.keys == "".join(key or "" for key in keys)[: len(taken.keys)]
