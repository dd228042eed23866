"""Papers are signed in order, each signature bound to the file that was seen; whatever goes wrong leaves them whole."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from switchboard.evidence import open_provider
from switchboard.evidence.errors import StampUnavailable
from switchboard.evidence.pdf_checking import check_pdf
from switchboard.papers.errors import (
    ElectronicNotAllowed,
    HandwritingUnfit,
    NoSuchPaper,
    NotYourTurn,
    PaperClosed,
    PaperDamaged,
    PaperMoved,
)
from switchboard.papers.handwriting import Handwriting
from switchboard.papers.papers import Papers, Signing
from switchboard.papers.store import StoredPaper
from switchboard.records import Records
from tests.support.papers import agreement, hand, one_of_each


@pytest.fixture
def papers(records: Records, tmp_path: Path) -> Papers:
    return Papers(records, open_provider(tmp_path), tmp_path / "papers")


async def made(papers: Papers, key: str = "k1") -> StoredPaper:
    return await papers.make("c-1", agreement(), by="v001", key=key)


def signing(paper: StoredPaper, signer: str) -> Signing:
    return Signing(signer, paper.head, f"ic-{signer}", hand())


async def events(records: Records) -> list[tuple[str, str, str]]:
    found = await records.contact("c-1")
    assert found
    return [(str(one.data["how"]), str(one.data["by"]), str(one.data["state"])) for one in found[1]]


async def test_everybody_signs_in_order_and_the_whole_paper_verifies(
    papers: Papers, records: Records, tmp_path: Path
) -> None:
    paper = await made(papers)
    assert (paper.state, paper.turn and paper.turn.id) == ("signing", "p1")
    with pytest.raises(NotYourTurn):
        await papers.sign(paper.id, signing(paper, "p2"))
    for signer in ("p1", "p2", "m1"):
        before = paper
        paper = await papers.sign(paper.id, signing(paper, signer))
        assert paper.head != before.head
        assert await papers.sign(paper.id, signing(before, signer)) == paper  # the answer was lost
    assert (paper.state, paper.turn) == ("signed", None)
    with pytest.raises(PaperClosed):
        await papers.sign(paper.id, Signing("p3", paper.head, "ic", hand()))

    roots = open_provider(tmp_path).roots
    report = await asyncio.to_thread(check_pdf, await papers.content(paper), roots)
    assert (report.holds, report.trusted) == (True, True)
    names = [one["name"] for one in report.facts["signatures"]]
    assert names == ["12348", "李𬭚", "王㛃䶮", "张𠮷"]
    steps = await papers.steps(paper.id)
    assert [(step.how, step.by) for step in steps] == [
        ("made", "v001"),
        ("signed", "p1"),
        ("signed", "p2"),
        ("signed", "m1"),
    ]
    for before, after, told in zip(steps, steps[1:], report.facts["signatures"][1:], strict=False):
        assert (after.base, after.identity) == (before.head, f"ic-{after.by}")
        assert f"document={after.base}; binding={after.binding}" in told["reason"]
        bound = json.loads(papers.path(after.binding or "").read_bytes())
        assert bound["document_sha256"] == after.base
        assert papers.path(after.strokes or "").read_bytes() == hand().data()
        assert bound["strokes_sha256"] == after.strokes
    assert await events(records) == [
        ("made", "v001", "signing"),
        ("signed", "p1", "signing"),
        ("signed", "p2", "signing"),
        ("signed", "m1", "signed"),
    ]
    await papers.resume()
    assert len(await events(records)) == 4


async def test_of_two_who_sign_at_once_one_is_told_to_look_again(papers: Papers) -> None:
    paper = await made(papers)
    twice = [papers.sign(paper.id, replace(signing(paper, "p1"), hand=hand(n))) for n in (0, 9)]
    ends = await asyncio.gather(*twice, return_exceptions=True)
    moved = [end for end in ends if isinstance(end, PaperMoved)]
    assert len(moved) == 1
    now = await papers.of(paper.id)
    assert (now.signed, len(await papers.steps(paper.id))) == (1, 2)
    with pytest.raises(PaperMoved):
        await papers.sign(paper.id, Signing("p2", paper.head, "ic", hand()))


async def test_a_refusal_and_a_withdrawal_are_kept_with_their_reason_and_end_the_paper(
    papers: Papers, records: Records
) -> None:
    paper, other = await made(papers), await made(papers, "k2")
    assert paper.id != other.id
    assert await made(papers) == paper
    paper = await papers.sign(paper.id, signing(paper, "p1"))
    with pytest.raises(NotYourTurn):
        await papers.refuse(paper.id, signer="somebody", base=paper.head, reason="")
    refused = await papers.refuse(paper.id, signer="p2", base=paper.head, reason="数目不对")
    again = await papers.refuse(paper.id, signer="p2", base=paper.head, reason="数目不对")
    assert (refused.state, again.revision) == ("refused", refused.revision)
    assert (await papers.steps(paper.id))[-1].reason == "数目不对"
    withdrawn = await papers.withdraw(other.id, by="v001", reason="另拟")
    assert withdrawn.state == "withdrawn"
    for one in (refused, withdrawn):
        with pytest.raises(PaperClosed):
            await papers.sign(one.id, Signing("p2", one.head, "ic", hand()))
    assert [how for how, _, _ in await events(records)].count("refused") == 1
    with pytest.raises(NoSuchPaper):
        await papers.of("p-none")


async def test_marriage_adoption_and_inheritance_are_for_the_pen(papers: Papers, tmp_path: Path) -> None:
    for concern in ("marriage", "adoption", "inheritance"):
        paper = await papers.make("c-1", agreement(concerns=(concern,)), by="v001", key=concern)
        assert (paper.state, paper.turn) == ("by_hand", None)
        with pytest.raises(ElectronicNotAllowed) as refused:
            await papers.sign(paper.id, signing(paper, "p1"))
        assert "《电子签名法》第三条" in refused.value.zh
        assert (await papers.of(paper.id)).head == paper.head


async def test_without_a_time_stamp_nothing_is_signed_and_nothing_changes(
    papers: Papers, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper = await made(papers)

    def away(*_: object) -> bytes:
        raise StampUnavailable("TimeoutError")

    monkeypatch.setattr("switchboard.evidence.provider.answer_locally", away)
    with pytest.raises(StampUnavailable):
        await papers.sign(paper.id, signing(paper, "p1"))
    monkeypatch.undo()
    assert (await papers.of(paper.id)).head == paper.head
    assert (await papers.sign(paper.id, signing(paper, "p1"))).signed == 1


async def test_papers_without_signers_are_final_and_a_changed_file_is_noticed(papers: Papers) -> None:
    paper = await papers.make("c-1", one_of_each()[4], by="v001", key="booking")
    assert paper.state == "final"
    assert (await papers.values(paper))["code"] == "4827"
    file = papers.path(paper.head)
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2] ^= 1
    file.chmod(0o600)
    file.write_bytes(whole)
    with pytest.raises(PaperDamaged):
        await papers.content(paper)
    with pytest.raises(PaperDamaged):
        papers.path("../../etc/passwd")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"width": 600, "height": 200, "strokes": []},
        {"width": 600, "height": 200, "strokes": [[[5, 5, 0], [6, 5, 9]]]},
        {"width": 600, "height": 200, "strokes": [[[5, 5, 0], [900, 5, 9]]]},
        {"width": 600, "height": 200, "strokes": [[[5, 5, 0], [float("inf"), 5, 9]]]},
        {"width": 600, "height": 200, "strokes": [[[1, 1, 0], [99, 99, 1]]] * 400},
        {"width": 10**9, "height": 10**9, "strokes": [[[1, 1, 0], [99, 99, 1]]]},
        {"width": 600, "height": 200, "strokes": "x" * 50},
    ],
)
def test_what_is_no_handwriting_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(HandwritingUnfit):
        Handwriting.read(given)
