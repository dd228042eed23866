"""The catalogue says what is wrong with it by line; the missing-paper check names exactly what is missing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchboard.clinic.catalogue import Act, load_catalogue, read_catalogue
from switchboard.clinic.catalogue.read import HERE
from switchboard.clinic.errors import CatalogueInvalid, Unfit
from switchboard.clinic.papers_check import check_papers, holds
from switchboard.config import load_config
from switchboard.rules import parse, read_seeds

CATALOGUE = load_catalogue()
SERVICES, ACTS = ((HERE / name).read_text("utf-8") for name in ("services.toml", "acts.toml"))


def test_the_acts_of_the_remote_notary_are_there_and_those_of_the_law_are_signed_on_paper() -> None:
    wanted = {
        "birth",
        "name",
        "education",
        "marriage",
        "house_ownership",
        "driving_licence",
        "business_licence",
    }
    assert wanted <= CATALOGUE.acts.keys()
    assert {one.id for one in CATALOGUE.acts.values() if not one.electronic} == {"marriage", "inheritance"}
    assert len(CATALOGUE.categories) == 5
    policy = parse("policy", "policy", read_seeds(load_config())["policy", "policy"])
    matters = {one.id for one in policy.matters}
    assert {one.matter for one in CATALOGUE.services if one.matter} <= matters


@pytest.mark.parametrize(
    ("services", "acts", "said"),
    [
        ("[[categories]\n", ACTS, "services.toml:1: not TOML"),
        (
            SERVICES.replace('category = "notary"', 'category = "nothing"', 1),
            ACTS,
            "there is no category nothing",
        ),
        (
            SERVICES.replace('booking = "law_class"', 'booking = "dance"'),
            ACTS,
            "law_class: there is no kind of",
        ),
        (SERVICES, ACTS.replace('paper = "photo"', 'paper = "foto"', 1), "birth: there is no paper foto"),
        (
            SERVICES,
            ACTS.replace('born = "since_1996"', 'born = "ever"', 1),
            "question born has no answer ever",
        ),
        (
            SERVICES,
            ACTS.replace('when = { shared = "yes" }', 'when = { split = "yes" }'),
            "no question split",
        ),
        (SERVICES, ACTS.replace('id = "name"', 'id = "birth"', 1), "birth: is there twice"),
        (SERVICES, ACTS.replace("fee_fen = 50000", "fee_fen = -1"), "acts.6.fee_fen"),
        (SERVICES, ACTS.replace("[[acts]]", "[[acts]]\ncolour = 1", 1), "acts.0.colour"),
        (SERVICES, "", "papers: Field required"),
    ],
)
def test_a_mistake_is_named_with_its_line(services: str, acts: str, said: str) -> None:
    with pytest.raises(CatalogueInvalid) as refused:
        read_catalogue(services, acts)
    (found,) = [one for one in refused.value.problems if said in one][:1]
    file, line, _ = found.split(":", 2)
    text = (services if file == "services.toml" else acts).splitlines() or [""]
    assert 1 <= int(line) <= len(text)
    if "there is no paper" in found:
        assert text[int(line) - 1] == 'id = "birth"'


def test_a_marriage_certificate_that_is_lost_is_replaced_by_an_extract() -> None:
    act = CATALOGUE.acts["marriage"]
    answers = {"applicant": "self", "status": "married", "lost": "yes"}
    found = check_papers(act, CATALOGUE.papers, answers, ["temporary_id", "household_book", "photo"])
    assert [one.paper.id for one in found.missing] == ["marriage_archive_proof"]
    assert "婚姻登记处" in found.missing[0].paper.where.zh
    assert not found.complete
    single = check_papers(act, CATALOGUE.papers, {"applicant": "other", "status": "single"}, ())
    assert [one.zh for one in single.refused] == ["未婚声明须本人亲自办理"]
    assert [one.id for one in single.ask] == []
    with pytest.raises(Unfit) as refused:
        check_papers(act, CATALOGUE.papers, {"status": "happy", "colour": "red"}, ())
    assert refused.value.fields == ("colour", "status")


@st.composite
def _asked(draw: st.DrawFn) -> tuple[Act, dict[str, str], set[str]]:
    act = draw(st.sampled_from(list(CATALOGUE.acts.values())))
    answers: dict[str, str] = {}
    for one in act.questions:
        said = draw(st.sampled_from([None, *(option.id for option in one.options)]))
        if said is not None:
            answers[one.id] = said
    return act, answers, draw(st.sets(st.sampled_from(list(CATALOGUE.papers))))


@settings(max_examples=150)
@given(_asked())
def test_what_is_missing_is_enough_and_nothing_is_asked_for_twice(
    asked: tuple[Act, dict[str, str], set[str]],
) -> None:
    act, answers, at_hand = asked
    found = check_papers(act, CATALOGUE.papers, answers, at_hand)
    missing = {one.paper.id for one in found.missing}
    assert not missing & at_hand
    assert len(missing) == len(found.missing)
    assert not check_papers(act, CATALOGUE.papers, answers, at_hand | missing).missing
    assert all(one.id not in answers and holds(one.when, answers) for one in found.ask)
    fewer = check_papers(act, CATALOGUE.papers, answers, ())
    assert missing <= {one.paper.id for one in fewer.missing}
    assert found.needed == fewer.needed
