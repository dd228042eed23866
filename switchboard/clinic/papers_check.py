"""Which papers are missing: a pure function of the act, the answers and the papers at hand.

It runs before any human is bothered, at a terminal or on the web, and knows nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from switchboard.clinic.catalogue.model import Act, Need, Paper, Question, When, Words
from switchboard.clinic.errors import Unfit


@dataclass(frozen=True, slots=True)
class Missing:
    """A paper that is needed and not there, and what serves as well."""

    paper: Paper
    instead: tuple[Paper, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """``ask``: questions that are still open, in their order; ``refused``: why this person cannot apply."""

    ask: tuple[Question, ...]
    refused: tuple[Words, ...]
    needed: tuple[Paper, ...]
    missing: tuple[Missing, ...]

    @property
    def complete(self) -> bool:
        return not (self.ask or self.refused or self.missing)


def check_papers(
    act: Act, papers: Mapping[str, Paper], answers: Mapping[str, str], at_hand: Collection[str]
) -> Checked:
    """Raises Unfit, with the names of the fields, for a question or an answer that the act does not have."""
    known = {one.id: {option.id for option in one.options} for one in act.questions}
    wrong = tuple(sorted(one for one, said in answers.items() if said not in known.get(one, ())))
    if wrong:
        raise Unfit(fields=wrong)
    ask = tuple(one for one in act.questions if holds(one.when, answers) and one.id not in answers)
    asked = {
        one.id: answers[one.id] for one in act.questions if one.id in answers and holds(one.when, answers)
    }
    needs = _needs(act, asked)
    return Checked(
        ask=ask,
        refused=tuple(one.words for one in act.refusals if holds(one.when, asked)),
        needed=tuple(papers[one.paper] for one in needs),
        missing=tuple(
            Missing(papers[one.paper], tuple(papers[other] for other in one.instead))
            for one in needs
            if not {one.paper, *one.instead} & set(at_hand)
        ),
    )


def holds(when: When, answers: Mapping[str, str]) -> bool:
    """Whether every question named has one of the answers named; an open question does not."""
    return all(answers.get(question) in wanted for question, wanted in when.items())


def _needs(act: Act, answers: Mapping[str, str]) -> tuple[Need, ...]:
    """Each paper once, in the order of the act."""
    found: dict[str, Need] = {}
    for one in act.needs:
        if holds(one.when, answers):
            found.setdefault(one.paper, one)
    return tuple(found.values())
