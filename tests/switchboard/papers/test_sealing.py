"""Everything that a contact has goes into one container, once; what is still being made is waited for."""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from switchboard.evidence import check_container, manifest_of, open_provider
from switchboard.papers.errors import ActDamaged, ActNotReady
from switchboard.papers.papers import Papers, Signing
from switchboard.papers.sealing import Sealing
from switchboard.papers.uploads import Uploads
from switchboard.records import Records
from tests.support.papers import agreement, hand
from tests.switchboard.papers.test_uploads import picture


async def test_an_act_is_sealed_whole_once_and_for_all(sqlite_records: Records, tmp_path: Path) -> None:
    records, provider = sqlite_records, open_provider(tmp_path)
    papers, uploads = Papers(records, provider, tmp_path / "papers"), Uploads(records, tmp_path / "uploads")
    room = tmp_path / "recordings" / "c-1" / "room-1"
    room.mkdir(parents=True)
    (room / "p1.camera.0000.tape").write_bytes(b"tape")
    (room / "reserve").write_bytes(b"room for the last words")
    (room.parent / "话 1.wav").write_bytes(b"sound")
    await records.append("c-1", "arrived", medium="visit", terminal="t-1")
    paper = await papers.make("c-1", agreement(), by="v001", key="k")
    await papers.sign(paper.id, Signing("p1", paper.head, "ic-1", hand()))

    async def photograph() -> AsyncIterator[bytes]:
        yield picture("PNG", (40, 40))

    upload = await uploads.take(
        "c-1", by="t-1", media_type="image/png", title="户口本.png", content=photograph()
    )
    sealing = Sealing(
        records, provider, papers, uploads, tmp_path / "recordings", tmp_path / "evidence-containers"
    )

    async def sealed():
        return await sealing.seal("c-1", act="case-7", title="调解", facts={"kind": "mediation"}, by="m001")

    with pytest.raises(ActNotReady):
        await sealed()
    for name in ("manifest.json", "manifest.seal.json"):
        (room / name).write_bytes(b"{}")
    act = await sealed()
    assert await sealed() == act
    assert (await asyncio.to_thread(check_container, act.file, provider.roots)).trusted
    with zipfile.ZipFile(act.file) as opened:
        names = set(opened.namelist())
        course = opened.read("events.jsonl").decode()
    assert {
        "recordings/room-1/p1.camera.0000.tape",
        "recordings/room-1/manifest.json",
        "recordings/room-1/manifest.seal.json",
        "recordings/1.wav",
        f"papers/{paper.id}/mediation_agreement.pdf",
        f"papers/{paper.id}/values.json",
        f"papers/{paper.id}/2-strokes.json",
        f"papers/{paper.id}/2-binding.json",
        f"uploads/{upload.id}/1.png",
        "events.jsonl",
    } <= names
    assert not any("reserve" in name for name in names)
    assert [course.count(kind) for kind in ('"arrived"', '"paper"', '"upload"')] == [1, 4, 2]
    titles = {row["title"] for row in manifest_of(act.file)[0]["members"]}
    assert {"话 1.wav", "户口本.png", "青调〔2026〕17号"} <= titles
    found = await records.contact("c-1")
    assert found
    (told,) = [event.data for event in found[1] if event.kind == "sealed"]
    assert sealing.path(str(told["file"])) == act.file.resolve()
    with pytest.raises(ActDamaged):
        sealing.path("../papers")
    act.file.chmod(0o600)
    act.file.write_bytes(act.file.read_bytes().replace(b"sound", b"Sound"))
    with pytest.raises(ActDamaged):
        await sealed()
