"""What the clinic offers, and which papers are missing: for anybody, at a terminal or on the web."""

from __future__ import annotations

from pydantic import BaseModel, Field

from switchboard.clinic.catalogue import Act, Paper
from switchboard.clinic.catalogue import Question as ActQuestion
from switchboard.clinic.catalogue import Words as ActWords
from switchboard.clinic.papers_check import check_papers
from switchboard.errors import NotFound
from switchboard.web.clinic_access import Words, clinic_of, public_actor
from switchboard.web.routes import ANYBODY, Call, Routes
from switchboard.web.schemas import SLUG, Input, Slug

routes = Routes()


class Named(Words):
    id: str


class ServiceView(BaseModel):
    """``booking``: the kind of booking that leads to it; ``matter``: what to ask for at once."""

    id: str
    category: str
    name: Words
    object: Words
    content: Words
    method: Words
    provider: Words
    booking: str | None
    matter: str | None


class Services(BaseModel):
    categories: list[Named]
    items: list[ServiceView]


class QuestionView(Named):
    options: list[Named]


class PaperView(Named):
    why: Words
    where: Words


class ActView(Named):
    """``electronic`` false: signed on paper, by ``article``; ``remote`` false: at the notary office only."""

    summary: Words
    who: Words
    fee_fen: int
    registers: list[str]
    electronic: bool
    remote: bool
    article: Words | None
    steps: list[str]
    questions: list[QuestionView]


class Acts(BaseModel):
    items: list[ActView]


class PapersQuestion(Input):
    """``answers``: question -> answer, as many as are known; ``papers``: what is at hand."""

    answers: dict[Slug, Slug] = Field(default_factory=dict, max_length=30)
    papers: list[Slug] = Field(default_factory=list, max_length=100)


class MissingView(PaperView):
    """``instead``: papers that serve as well."""

    instead: list[Named]


class PapersAnswer(BaseModel):
    """``ask``: what to ask next; ``refused``: why this person cannot apply; ``complete``: nothing is missing."""

    act: str
    ask: list[QuestionView]
    refused: list[Words]
    needed: list[PaperView]
    missing: list[MissingView]
    complete: bool


def words(said: ActWords) -> Words:
    return Words(zh=said.zh, en=said.en)


def _named(ident: str, said: ActWords) -> Named:
    return Named(id=ident, zh=said.zh, en=said.en)


def _question(one: ActQuestion) -> QuestionView:
    options = [_named(option.id, option.words) for option in one.options]
    return QuestionView(id=one.id, zh=one.words.zh, en=one.words.en, options=options)


def _paper(one: Paper) -> PaperView:
    return PaperView(id=one.id, zh=one.words.zh, en=one.words.en, why=words(one.why), where=words(one.where))


def _act(one: Act) -> ActView:
    return ActView(
        id=one.id,
        zh=one.words.zh,
        en=one.words.en,
        summary=words(one.summary),
        who=words(one.who),
        fee_fen=one.fee_fen,
        registers=list(one.registers),
        electronic=one.electronic,
        remote=one.remote,
        article=words(one.article) if one.article else None,
        steps=list(one.steps),
        questions=[_question(asked) for asked in one.questions],
    )


@routes.add("GET", "/api/clinic/services", roles=ANYBODY, summary="What the clinic offers", answer=Services)
async def services(call: Call) -> Services:
    offered = clinic_of(call).catalogue
    return Services(
        categories=[_named(one.id, one.words) for one in offered.categories],
        items=[
            ServiceView(
                id=one.id,
                category=one.category,
                name=words(one.name),
                object=words(one.object),
                content=words(one.content),
                method=words(one.method),
                provider=words(one.provider),
                booking=one.booking,
                matter=one.matter,
            )
            for one in offered.services
        ],
    )


@routes.add("GET", "/api/clinic/acts", roles=ANYBODY, summary="Notarial acts and what is asked", answer=Acts)
async def acts(call: Call) -> Acts:
    return Acts(items=[_act(one) for one in clinic_of(call).catalogue.acts.values()])


@routes.add(
    "POST",
    "/api/clinic/acts/{id}/check",
    roles=ANYBODY,
    summary="Which papers are missing for an act, why they are needed and where to get them",
    body=PapersQuestion,
    answer=PapersAnswer,
    parts={"id": SLUG},
)
async def check(call: Call) -> PapersAnswer:
    """Nothing is kept."""
    await public_actor(call)
    catalogue = clinic_of(call).catalogue
    act = catalogue.acts.get(call.part("id"))
    if act is None:
        raise NotFound
    found = check_papers(act, catalogue.papers, call.body.answers, call.body.papers)
    return PapersAnswer(
        act=act.id,
        ask=[_question(one) for one in found.ask],
        refused=[words(one) for one in found.refused],
        needed=[_paper(one) for one in found.needed],
        missing=[
            MissingView(
                **_paper(one.paper).model_dump(),
                instead=[_named(other.id, other.words) for other in one.instead],
            )
            for one in found.missing
        ],
        complete=found.complete,
    )
