"""``Papers``: makes papers, takes signatures one after another, and tells the contact's events of each step.

A file is written whole and under its own digest before any row names it; a row changes by compare-and-set on that
digest. So whoever is killed, at any moment, leaves each paper as it was before the step or as it is after it. What
is missing among the events then is added at the next start (``resume``).
"""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from switchboard.evidence.digests import canonical
from switchboard.evidence.provider import Provider
from switchboard.papers.errors import (
    ElectronicNotAllowed,
    NotYourTurn,
    PaperClosed,
    PaperMoved,
    PaperUnfit,
)
from switchboard.papers.files import Files
from switchboard.papers.fonts import fonts_of
from switchboard.papers.handwriting import Handwriting
from switchboard.papers.model import Paper, described
from switchboard.papers.rendering import Rendered, render
from switchboard.papers.store import How, PaperTables, State, Step, StoredPaper
from switchboard.records.events import is_slug, is_text
from switchboard.records.store import Records
from switchboard.times import now_ms

if TYPE_CHECKING:
    from switchboard.evidence.pdfs import PdfSealer

log = structlog.get_logger(__name__)
MOST_REASON = 1_000


@dataclass(frozen=True, slots=True)
class Signing:
    """One signature. ``signer``: id; ``base``: the ``head`` that the signer saw; ``identity``: names the identity
    check that was made of this person."""

    signer: str
    base: str
    identity: str
    hand: Handwriting


class Papers:
    """Open once per process; every method may be used by any task. All raise PaperError and RecordsAway; making and
    signing raise EvidenceError too, when no time stamp can be had: then nothing was changed."""

    def __init__(self, records: Records, provider: Provider, folder: Path) -> None:
        """``folder``: where the files lie; ``fonts/`` beside it may hold more fonts."""
        self._records = records
        self._tables = PaperTables(records.database)
        self._provider = provider
        self._known_sealer: PdfSealer | None = None
        self._files = Files(folder)
        self._fonts = folder.parent / "fonts"
        self._one_at_a_time = asyncio.Lock()  # the setter is quick, and holds memory

    async def preview(self, paper: Paper) -> bytes:
        """The PDF as it would look, unsigned and not kept: for drafts that all look at. Raises LetterMissing."""
        return (await self._rendered(paper)).pdf

    async def make(self, contact: str, paper: Paper, *, by: str, key: str) -> StoredPaper:
        """Renders and keeps it, certified by the house. The same ``key`` again answers the paper made before."""
        if not (is_slug(contact) and is_slug(by) and is_slug(key, 128)):
            raise PaperUnfit(["contact, by, key: identifiers"])
        if known := await self._tables.keyed(contact, key):
            return known
        rendered = await self._rendered(paper)
        values = canonical(described(paper))
        head, kept = await asyncio.to_thread(self._prepare, rendered, values, paper)
        state: State = "by_hand" if paper.by_hand else "signing" if paper.signers else "final"
        at_ms = now_ms()
        made = StoredPaper(
            id=f"p-{secrets.token_hex(10)}",
            contact=contact,
            key=key,
            kind=paper.kind,
            number=paper.number,
            state=state,
            head=head,
            values=kept,
            signers=paper.signers,
            signed=0,
            revision=1,
            noted=0,
            place=paper.place,
            made_by=by,
            made_ms=at_ms,
        )
        stored = await self._tables.add(made, Step(made.id, 1, "made", by, at_ms, head, head))
        await self._tell(stored)
        return stored

    async def sign(self, ident: str, signing: Signing) -> StoredPaper:
        """Raises ElectronicNotAllowed, PaperClosed, PaperMoved, NotYourTurn. Signing the same once more changes
        nothing and answers the paper."""
        paper = await self._tables.of(ident)
        if await self._was_signed(paper, signing):
            return paper
        self._check_turn(paper, signing)
        at_ms = now_ms()
        head, strokes, binding = await asyncio.to_thread(self._signed, paper, signing, at_ms)
        signed = paper.signed + 1
        state: State = "signed" if signed == len(paper.signers) else "signing"
        after = replace(paper, head=head, signed=signed, revision=paper.revision + 1, state=state)
        step = Step(
            ident,
            after.revision,
            "signed",
            signing.signer,
            at_ms,
            paper.head,
            head,
            signing.identity,
            strokes,
            binding,
        )
        after = await self._tables.advance(paper, after, step)
        await self._tell(after)
        return after

    async def refuse(self, ident: str, *, signer: str, base: str, reason: str) -> StoredPaper:
        """A party will not sign: the paper ends unsigned, with the reason in the party's words."""
        paper = await self._tables.of(ident)
        if signer not in {one.id for one in paper.signers}:
            raise NotYourTurn
        return await self._end(paper, "refused", signer, base, reason)

    async def withdraw(self, ident: str, *, by: str, reason: str) -> StoredPaper:
        """Whoever made it takes it back before all have signed; a corrected one is made anew."""
        paper = await self._tables.of(ident)
        return await self._end(paper, "withdrawn", by, paper.head, reason)

    async def _end(self, paper: StoredPaper, how: How, by: str, base: str, reason: str) -> StoredPaper:
        if paper.state == how:
            return paper
        if paper.state not in ("signing", "by_hand"):
            raise PaperClosed
        if base != paper.head:
            raise PaperMoved
        if not is_text(reason, MOST_REASON) or not is_slug(by):
            raise PaperUnfit([f"reason: at most {MOST_REASON} characters"])
        state: State = "refused" if how == "refused" else "withdrawn"
        after = replace(paper, state=state, revision=paper.revision + 1)
        step = Step(paper.id, after.revision, how, by, now_ms(), paper.head, paper.head, reason=reason)
        after = await self._tables.advance(paper, after, step)
        await self._tell(after)
        return after

    async def of(self, ident: str) -> StoredPaper:
        """Raises NoSuchPaper."""
        return await self._tables.of(ident)

    async def of_contact(self, contact: str) -> list[StoredPaper]:
        return await self._tables.of_contact(contact)

    async def steps(self, ident: str) -> list[Step]:
        """What happened to a paper, in order."""
        return await self._tables.steps(ident)

    async def content(self, paper: StoredPaper) -> bytes:
        """The PDF as it stands, checked against its digest. Raises PaperDamaged."""
        return await asyncio.to_thread(self._files.read, paper.head)

    async def values(self, paper: StoredPaper) -> dict[str, object]:
        """What the paper was made from, as JSON values. Raises PaperDamaged."""
        return json.loads(await asyncio.to_thread(self._files.read, paper.values))

    def path(self, sha256: str) -> Path:
        """Where a file of a paper or of one of its steps lies, for the container of an act."""
        return self._files.path(sha256)

    async def resume(self) -> None:
        """At a start: add to the events what a killed process could not add any more."""
        for paper in await self._tables.unnoted():
            await self._tell(paper)

    # ---- the work itself, in threads

    async def _rendered(self, paper: Paper) -> Rendered:
        async with self._one_at_a_time:
            return await asyncio.to_thread(lambda: render(paper, fonts_of(self._fonts)))

    @property
    def _sealer(self) -> PdfSealer:
        """Made with the first paper, in a thread: what it signs with takes a second to load."""
        from switchboard.evidence.pdfs import PdfSealer

        if self._known_sealer is None:
            self._known_sealer = PdfSealer(self._provider)
        return self._known_sealer

    def _prepare(self, rendered: Rendered, values: bytes, paper: Paper) -> tuple[str, str]:
        from switchboard.evidence.pdfs import Field

        boxes = () if paper.by_hand else rendered.boxes
        fields = [
            Field(_field(n), box.page, (box.left, box.bottom, box.right, box.top))
            for n, box in enumerate(boxes)
        ]
        return self._files.put(self._sealer.prepare(rendered.pdf, fields, paper.place)), self._files.put(
            values
        )

    def _signed(self, paper: StoredPaper, signing: Signing, at_ms: int) -> tuple[str, str, str]:
        """(head, strokes, binding). The binding says what this handwriting stands under; its digest is signed."""
        from switchboard.evidence.pdfs import Mark

        strokes = self._files.put(signing.hand.data())
        who = paper.signers[paper.signed]
        facts = {
            "paper": paper.id,
            "document_sha256": paper.head,
            "signer": who.id,
            "name": who.name,
            "role": who.role,
            "identity_check": signing.identity,
            "strokes_sha256": strokes,
            "signed_at": datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        }
        binding = self._files.put(canonical(facts))
        reason = f"identity={signing.identity}; document={paper.head}; binding={binding}"
        mark = Mark(_field(paper.signed), who.name, reason, paper.place, signing.hand.picture())
        return self._files.put(self._sealer.sign(self._files.read(paper.head), mark)), strokes, binding

    # ---- rules

    def _check_turn(self, paper: StoredPaper, signing: Signing) -> None:
        if paper.state == "by_hand":
            raise ElectronicNotAllowed
        if paper.state != "signing":
            raise PaperClosed
        if signing.base != paper.head:
            raise PaperMoved
        if paper.turn is None or paper.turn.id != signing.signer:
            raise NotYourTurn
        if not is_slug(signing.identity, 128):
            raise PaperUnfit(["identity: the id of an identity check"])

    async def _was_signed(self, paper: StoredPaper, signing: Signing) -> bool:
        """Whether this very signature stands already: an answer was lost, and the page sends it again."""
        if not any(one.id == signing.signer for one in paper.signers[: paper.signed]):
            return False
        steps = await self._tables.steps(paper.id)
        return any(
            step.how == "signed" and (step.by, step.base) == (signing.signer, signing.base) for step in steps
        )

    async def _tell(self, paper: StoredPaper) -> None:
        """An event for each step that has none yet; keyed, so that telling twice changes nothing."""
        for step in await self._tables.steps(paper.id, after=paper.noted):
            state = paper.state if step.revision == paper.revision else "signing"
            await self._records.append(
                paper.contact,
                "paper",
                at_ms=step.at_ms,
                key=f"paper:{paper.id}:{step.revision}",
                paper=paper.id,
                kind=paper.kind,
                how=step.how,
                by=step.by,
                sha256=step.head,
                state=state,
            )
        await self._tables.note(paper.id, paper.revision)


def _field(place: int) -> str:
    """The name of a signer's field, by the place in the order."""
    return f"Signer{place + 1}"
