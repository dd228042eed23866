"""Reading the two files of the catalogue, with every mistake by its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from switchboard.clinic.catalogue import model
from switchboard.clinic.catalogue.model import Act, Catalogue, Need, Option, Paper, Refusal, Service, Words
from switchboard.clinic.errors import CatalogueInvalid

HERE = Path(__file__).parent
FILES = ("services.toml", "acts.toml")
MOST_BYTES = 500_000
REGISTERS = ("marriage", "education", "land")
BOOKINGS = ("mediation_guidance", "legal_advice", "notary_consultation", "live_hearing", "law_class")

Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Said = Annotated[str, Field(min_length=1, max_length=400)]
Whens = Mapping[Id, Id | list[Id]]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Table = TypeVar("Table", bound=_Table)


class _Words(_Table):
    zh: Said
    en: Said

    def made(self) -> Words:
        return Words(self.zh, self.en)


class _Category(_Words):
    id: Id


class _Service(_Table):
    id: Id
    category: Id
    name: _Words
    object: _Words
    content: _Words
    method: _Words
    provider: _Words
    booking: Id | None = None
    matter: Id | None = None


class _Paper(_Words):
    id: Id
    why: _Words
    where: _Words


class _Option(_Words):
    id: Id


class _Question(_Words):
    id: Id
    options: list[_Option] = Field(min_length=2, max_length=12)
    when: Whens = {}


class _Need(_Table):
    paper: Id
    when: Whens = {}
    instead: list[Id] = Field([], alias="or")


class _Refusal(_Words):
    when: Whens


class _Act(_Words):
    id: Id
    summary: _Words
    who: _Words
    fee_fen: int = Field(ge=0, le=10_000_000)
    registers: list[Id] = []
    questions: list[_Question] = Field([], max_length=20)
    needs: list[_Need] = Field(min_length=1, max_length=40)
    refuse: list[_Refusal] = []
    electronic: bool = True
    remote: bool = True
    article: _Words | None = None


class _Services(_Table):
    categories: list[_Category]
    services: list[_Service]


class _Acts(_Table):
    papers: list[_Paper]
    acts: list[_Act]


def load_catalogue(folder: Path | None = None) -> Catalogue:
    """The built-in files, or those of ``folder``. Raises CatalogueInvalid naming every mistake."""
    root = folder or HERE
    try:
        texts = [(root / name).read_text("utf-8") for name in FILES]
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogueInvalid([f"{root.name}: cannot be read: {type(error).__name__}"]) from error
    return read_catalogue(*texts)


def read_catalogue(services: str, acts: str) -> Catalogue:
    """Raises CatalogueInvalid: one line for each mistake, ``FILE:LINE: what is wrong``."""
    problems: list[str] = []
    offered = _read(_Services, FILES[0], services, problems)
    done = _read(_Acts, FILES[1], acts, problems)
    if offered is not None:
        problems += _wrong_services(offered, services)
    if done is not None:
        problems += _wrong_acts(done, acts)
    if problems or offered is None or done is None:
        raise CatalogueInvalid(problems)
    return Catalogue(
        categories=tuple(model.Category(one.id, one.made()) for one in offered.categories),
        services=tuple(_service(one) for one in offered.services),
        papers={one.id: Paper(one.id, one.made(), one.why.made(), one.where.made()) for one in done.papers},
        acts={one.id: _act(one) for one in done.acts},
    )


def _read(table: type[Table], file: str, text: str, problems: list[str]) -> Table | None:
    if len(text.encode(errors="replace")) > MOST_BYTES:
        problems.append(f"{file}:1: longer than {MOST_BYTES // 1000} KB")
        return None
    try:
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        line = re.search(r"line (\d+)", str(error))
        problems.append(f"{file}:{line[1] if line else 1}: not TOML: {error}")
        return None
    try:
        return table.model_validate(raw)
    except ValidationError as error:
        for one in error.errors(include_url=False, include_input=False):
            place = ".".join(str(part) for part in one["loc"])
            problems.append(f"{file}:{_line_of_place(text, one['loc'])}: {place}: {one['msg']}")
        return None


def _line_of_place(text: str, loc: tuple[int | str, ...]) -> int:
    """The line on which the table begins that pydantic speaks of."""
    if len(loc) < 2 or not isinstance(loc[1], int):
        return 1
    heads = [number for number, line in enumerate(text.splitlines(), 1) if line.strip() == f"[[{loc[0]}]]"]
    return heads[loc[1]] if loc[1] < len(heads) else 1


def _line(text: str, ident: str) -> int:
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(rf'\s*id\s*=\s*"{re.escape(ident)}"', line):
            return number
    return 1


def _wrong_services(found: _Services, text: str) -> list[str]:
    def said(ident: str, what: str) -> str:
        return f"{FILES[0]}:{_line(text, ident)}: {ident}: {what}"

    categories = {one.id for one in found.categories}
    wrong = [said(one, "is there twice") for one in _twice(one.id for one in found.categories)]
    wrong += [said(one, "is there twice") for one in _twice(one.id for one in found.services)]
    if len(categories) != 5:
        wrong.append(f"{FILES[0]}:1: there are five categories, not {len(categories)}")
    for one in found.services:
        if one.category not in categories:
            wrong.append(said(one.id, f"there is no category {one.category}"))
        if one.booking is not None and one.booking not in BOOKINGS:
            wrong.append(said(one.id, f"there is no kind of booking {one.booking}"))
    return wrong


def _wrong_acts(found: _Acts, text: str) -> list[str]:
    papers = {one.id for one in found.papers}
    wrong = [
        f"{FILES[1]}:{_line(text, one)}: {one}: is there twice"
        for ids in ([one.id for one in found.papers], [one.id for one in found.acts])
        for one in _twice(ids)
    ]
    for act in found.acts:
        wrong += [f"{FILES[1]}:{_line(text, act.id)}: {act.id}: {what}" for what in _wrong_act(act, papers)]
    return wrong


def _wrong_act(act: _Act, papers: set[str]) -> list[str]:
    answers = {one.id: {option.id for option in one.options} for one in act.questions}
    wrong = [f"question {one} is there twice" for one in _twice(one.id for one in act.questions)]
    wrong += [f"there is no register {one}" for one in act.registers if one not in REGISTERS]
    for need in act.needs:
        wrong += [f"there is no paper {one}" for one in (need.paper, *need.instead) if one not in papers]
    whens = [one.when for one in (*act.questions, *act.needs, *act.refuse)]
    for question, wanted in ((key, value) for when in whens for key, value in when.items()):
        known = answers.get(question)
        if known is None:
            wrong.append(f"there is no question {question}")
            continue
        wrong += [f"question {question} has no answer {one}" for one in _many(wanted) if one not in known]
    if not act.electronic and act.article is None:
        wrong.append("article is missing: say why it is signed on paper only")
    return wrong


def _twice(ids: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return [one for one in ids if one in seen or seen.add(one)]


def _many(given: str | list[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _when(given: Whens) -> model.When:
    return {question: _many(wanted) for question, wanted in given.items()}


def _service(one: _Service) -> Service:
    return Service(
        one.id,
        one.category,
        one.name.made(),
        one.object.made(),
        one.content.made(),
        one.method.made(),
        one.provider.made(),
        one.booking,
        one.matter,
    )


def _act(one: _Act) -> Act:
    return Act(
        id=one.id,
        words=one.made(),
        summary=one.summary.made(),
        who=one.who.made(),
        fee_fen=one.fee_fen,
        registers=tuple(one.registers),
        questions=tuple(
            model.Question(
                asked.id,
                asked.made(),
                tuple(Option(option.id, option.made()) for option in asked.options),
                _when(asked.when),
            )
            for asked in one.questions
        ),
        needs=tuple(Need(need.paper, _when(need.when), tuple(need.instead)) for need in one.needs),
        refusals=tuple(Refusal(_when(no.when), no.made()) for no in one.refuse),
        electronic=one.electronic,
        remote=one.remote,
        article=one.article.made() if one.article else None,
    )
