"""Seals a contact's whole act: recordings, rooms, papers, handwriting, what was sent, and the course, in one container.

    sealed = await house.sealing.seal(contact, act="case-7", title="...", facts={"kind": "mediation"}, by="m001")

The container lies under ``evidence-containers/CONTACT/ACT.evidence.zip`` of the data directory and is never
overwritten; sealing the same act again answers the one that is there, once it has been checked.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from switchboard.evidence.checking import check_container, manifest_of
from switchboard.evidence.container import SUFFIX, Act, Member, Sealed, seal
from switchboard.evidence.provider import Provider
from switchboard.papers.errors import ActDamaged, ActNotReady, PaperUnfit
from switchboard.papers.papers import Papers
from switchboard.papers.uploads import Uploads
from switchboard.records.events import is_slug, is_text
from switchboard.records.store import Records

FOLDER = "evidence-containers"
_TAPE_SEALS = ("manifest.json", "manifest.seal.json")
_LEFT_OUT = re.compile(r".*\.part|reserve")


@dataclass(frozen=True, slots=True)
class SealedAct:
    """``file``: the container; ``name``: its path below the folder of containers, as the event says it."""

    file: Path
    name: str
    manifest_sha256: str
    size: int


class Sealing:
    """Open once per process. Raises what the evidence and papers packages raise, and RecordsAway."""

    def __init__(
        self,
        records: Records,
        provider: Provider,
        papers: Papers,
        uploads: Uploads,
        recordings: Path,
        folder: Path,
    ) -> None:
        """``recordings``: the folder of all contacts' recordings; ``folder``: where containers go."""
        self._records = records
        self._provider = provider
        self._papers = papers
        self._uploads = uploads
        self._recordings = recordings
        self._folder = folder

    async def seal(
        self, contact: str, *, act: str, title: str, facts: Mapping[str, Any], by: str
    ) -> SealedAct:
        """Everything that this contact has until now. Raises ActNotReady while a recording is still being made."""
        if (
            not (is_slug(contact) and is_slug(act) and is_slug(by) and is_text(title, 200))
            or "/" in contact + act
        ):
            raise PaperUnfit(["contact, act, by: identifiers; title: at most 200 characters"])
        name = f"{contact}/{act}{SUFFIX}"
        target = self._folder / name
        if not target.exists():
            members = await self._members(contact)
            whole = Act(act, contact, title, members, await self._course(contact), dict(facts))
            await asyncio.to_thread(seal, whole, target, self._provider)
        sealed = await asyncio.to_thread(self._found, target, act)
        await self._records.append(
            contact, "sealed", key=f"sealed:{act}", act=act, file=name, sha256=sealed.manifest_sha256
        )
        await self._records.audit(by, "act.seal", act)
        return SealedAct(target, name, sealed.manifest_sha256, sealed.size)

    def path(self, name: str) -> Path:
        """The container of an event's ``file``. Raises ActDamaged for a path that leads elsewhere, or to nothing."""
        path = (self._folder / name).resolve()
        if not path.is_relative_to(self._folder.resolve()) or not path.is_file():
            raise ActDamaged("no such container")
        return path

    def _found(self, target: Path, act: str) -> Sealed:
        if not check_container(target, self._provider.roots).trusted:
            raise ActDamaged("not one of ours, or altered")
        facts, digest = manifest_of(target)
        if facts.get("act") != act:
            raise ActDamaged("another act")
        return Sealed(target, target.stat().st_size, digest, 0)

    async def _members(self, contact: str) -> list[Member]:
        members = await asyncio.to_thread(_recordings, self._recordings / contact)
        for paper in await self._papers.of_contact(contact):
            where = f"papers/{paper.id}"
            members.append(
                Member(f"{where}/{paper.kind}.pdf", self._papers.path(paper.head), "paper", paper.number)
            )
            members.append(Member(f"{where}/values.json", self._papers.path(paper.values), "paper"))
            for step in await self._papers.steps(paper.id):
                for kind, digest in (("strokes", step.strokes), ("binding", step.binding)):
                    if digest:
                        name = f"{where}/{step.revision}-{kind}.json"
                        members.append(Member(name, self._papers.path(digest), "signature"))
        for upload in await self._uploads.of_contact(contact):
            for n, page in enumerate(upload.pages, 1):
                suffix = "png" if page.media_type == "image/png" else "jpg"
                name = f"uploads/{upload.id}/{n}.{suffix}"
                members.append(Member(name, self._uploads.path(page.sha256), "picture", upload.title))
            if upload.pdf:
                name = f"uploads/{upload.id}/whole.pdf"
                members.append(Member(name, self._uploads.path(upload.pdf), "picture", upload.title))
        return members

    async def _course(self, contact: str) -> list[dict[str, Any]]:
        """The contact's events, then those of its rooms, each in order."""
        found = await self._records.contact(contact)
        course = [
            {"seq": one.seq, "at_ms": one.at_ms, "kind": one.kind, "data": dict(one.data)}
            for one in (found[1] if found else ())
        ]
        for room in await self._records.rooms.of_contact(contact):
            course += [
                {"room": room, "at_ms": one.at_ms, "kind": one.kind, "data": one.data}
                for one in await self._records.rooms.events(room)
            ]
        return course


def _recordings(folder: Path) -> list[Member]:
    """Every file of the contact's recordings. Raises ActNotReady while one has tapes without manifest and seal."""
    for room in sorted({tape.parent for tape in folder.rglob("*.tape")}):
        if not all((room / name).exists() for name in _TAPE_SEALS):
            raise ActNotReady
    names: set[str] = set()
    members = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.is_symlink() or _LEFT_OUT.fullmatch(path.name):
            continue
        title = path.relative_to(folder).as_posix()
        name = _unique(f"recordings/{_plain(title)}", names)
        members.append(Member(name, path, "recording", title))
    return members


def _plain(name: str) -> str:
    """A name as containers have them; what it was stands in the member's title."""
    parts = (re.sub(r"[^A-Za-z0-9_.+-]", "_", part).lstrip("._+-") or "file" for part in name.split("/"))
    return "/".join(part.rstrip(".") for part in parts)[-150:].lstrip("/._+-")


def _unique(name: str, names: set[str]) -> str:
    stem, made, n = name, name, 1
    while made.lower() in names:
        n += 1
        made = f"{stem}-{n}"
    names.add(made.lower())
    return made
