"""Identity numbers, card readers and registers."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.clinic.errors import GuardianNeeded, NumberWrong, Unfit
from switchboard.clinic.identity import Identity, check_digit, found_by_human, read_number
from switchboard.clinic.passes import Passes
from switchboard.clinic.readers import Card, ReaderError, SimulatedReader, read_card
from switchboard.clinic.registers import Query, Question, RegisterAway, Registers, SimulatedRegister

TODAY = dt.date(2026, 11, 23)
KNOWN = "11010519491231002X"
"""The example of the standard GB 11643."""


def number_of(birth: dt.date, order: int = 1) -> str:
    digits = f"110105{birth:%Y%m%d}{order:03d}"
    return digits + check_digit(digits)


@given(st.dates(dt.date(1900, 1, 1), TODAY), st.integers(0, 999), st.integers(0, 16), st.integers(1, 9))
def test_one_wrong_digit_is_always_found(birth: dt.date, order: int, place: int, more: int) -> None:
    number = number_of(birth, order)
    assert read_number(number.lower(), TODAY).birth == birth
    wrong = number[:place] + str((int(number[place]) + more) % 10) + number[place + 1 :]
    with pytest.raises(NumberWrong):
        read_number(wrong, TODAY)


def test_age_comes_from_the_number_to_the_day() -> None:
    assert read_number(KNOWN, TODAY).age(TODAY) == 76
    for birth, age in ((dt.date(1946, 11, 23), 80), (dt.date(1946, 11, 24), 79), (dt.date(2012, 11, 24), 13)):
        assert read_number(number_of(birth), TODAY).age(TODAY) == age
    leap = read_number(number_of(dt.date(2012, 2, 29)), TODAY)
    assert [leap.age(day) for day in (dt.date(2026, 2, 28), dt.date(2026, 3, 1))] == [13, 14]
    for wrong in (
        "",
        "1" * 18,
        number_of(dt.date(2026, 11, 23)).replace("2026", "2027"),
        KNOWN[:15],
        "x" * 18,
    ):
        with pytest.raises(NumberWrong):
            read_number(wrong, TODAY)
    assert read_number(KNOWN, TODAY).mask == "11************002X"


def test_under_fourteen_needs_a_guardian_and_no_match_counts_without_both_pictures() -> None:
    shown = Identity("小明", "11**", "d", None, 13, "reader", 1, "a" * 64, "b" * 64)
    with pytest.raises(GuardianNeeded):
        found_by_human(shown, outcome="match", by="n1", at_ms=2)
    grown = Identity("王芳", "11**", "d", None, 81, "reader", 1, "a" * 64)
    with pytest.raises(Unfit) as refused:
        found_by_human(grown, outcome="match", by="n1", at_ms=2)
    assert (refused.value.fields, grown.priority, shown.priority) == (("face",), "over_80", "minor")
    found = found_by_human(grown, outcome="no_match", by="n1", at_ms=2, note="照片不像")
    assert (found.checked, found.by, found.at_ms) == (False, "n1", 2)


def test_a_pass_opens_its_own_case_and_a_sealed_number_its_own_case_only() -> None:
    passes = Passes("s" * 40)
    made = passes.make("na-1", "p1")
    assert passes.read(made) is not None
    assert passes.read(made.replace("na-1", "na-2")) is None
    assert Passes("t" * 40).read(made) is None
    sealed = passes.seal(KNOWN, "na-1")
    assert KNOWN not in sealed
    assert passes.unseal(sealed, "na-1") == KNOWN
    assert passes.unseal(sealed, "na-2") is None
    assert passes.unseal(sealed[:-6] + "AAAAA=", "na-1") is None
    assert passes.hash_of(KNOWN) != Passes("t" * 40).hash_of(KNOWN)


async def test_a_card_is_read_again_when_it_could_not_be_read() -> None:
    card = Card("王芳", KNOWN)
    assert KNOWN not in repr(card)
    assert await read_card(SimulatedReader(["unreadable", "unreadable", card])) == card
    for script, code in (
        (["unreadable"] * 3, "unreadable"),
        (["reader_away"], "reader_away"),
        ([], "no_card"),
    ):
        with pytest.raises(ReaderError) as refused:
            await read_card(SimulatedReader(script), patience_s=0.05)
        assert refused.value.code == code


async def test_a_register_is_asked_again_and_its_answer_cannot_be_changed_unseen() -> None:
    question = Question("marriage", "王芳", KNOWN)
    assert KNOWN not in repr(question)
    flaky = SimulatedRegister("marriage", delay_s=0, faults=2)
    quick = Registers({"marriage": flaky}, patience_s=5, between_s=0)
    answer = await quick.ask(question)
    assert flaky.asked == 3
    slow = Registers({"marriage": SimulatedRegister("marriage", delay_s=60)}, patience_s=0.01, between_s=0)
    gone = Registers({"land": SimulatedRegister("land", delay_s=0, away=True)}, between_s=0)
    for asked in (slow.ask(question), gone.ask(question), gone.ask(Question("land", "", KNOWN))):
        with pytest.raises(RegisterAway):
            await asked
    kept = {"found": answer.found, "reference": answer.reference, "digest": answer.digest("marriage", 5)}
    query = Query("q", "marriage", "n1", 1, "answered", 5, facts=dict(answer.facts), **kept)
    assert query.is_whole()
    changed = Query("q", "marriage", "n1", 1, "answered", 5, facts={**answer.facts, "状态": "?"}, **kept)
    assert not changed.is_whole()
