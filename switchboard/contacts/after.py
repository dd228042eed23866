"""After the talk: the survey, a spoken remark, and what follows from a bad answer."""

from __future__ import annotations

import asyncio
import os
import wave
from array import array
from contextlib import suppress
from pathlib import Path

import structlog

from ivr.ari.client import Ari
from ivr.call import Call
from ivr.errors import AriError
from ivr.hotline import Hotline
from ivr.prompt import Telephone, say
from ivr.recording import digests
from ivr.survey import farewell, remark, survey, wants_to_remark
from switchboard.contacts.contact import Contact

log = structlog.get_logger(__name__)

SILENT = 500
"""A remark whose loudest sample is below this (of 32,767; -36 dBFS) holds no words."""


async def ask_survey(call: Call, contact: Contact, hotline: Hotline) -> None:
    """Whoever stays on the line is asked; each answer counts once and as soon as it is given."""
    contact.enter("survey")
    asked = hotline.survey
    if asked is None:
        return
    await say(call, ["transfer_over" if contact.transferred_to else "agent_left"])
    answers = await survey(
        Telephone(call), asked, lambda question, answer: contact.rated(question, answer, asked.keys)
    )
    with suppress(AriError):
        if asked.bad in answers.values():
            await say(call, ["survey_follow_up" if contact.caller else "survey_follow_up_no_number"])
        if answers and asked.remark and await wants_to_remark(call):
            await _take_remark(call, contact, asked.remark_ms)
        await farewell(call, bool(answers))


async def _take_remark(call: Call, contact: Contact, longest_ms: int) -> None:
    """ "Kept" is said only after file and row are on the disk. A hang-up keeps what was said until then."""
    name = f"remark-{contact.id}"
    try:
        await remark(call, name, longest_ms=longest_ms)
    except BaseException:
        contact.house.background(keep_remark(contact, name))
        raise
    kept = await asyncio.shield(keep_remark(contact, name))
    await say(call, ["survey_remark_kept" if kept else "survey_remark_empty"])


async def keep_remark(contact: Contact, name: str) -> bool:
    """Move the file to the contact's recordings and note it. False when nothing was said."""
    house = contact.house
    source = house.recordings_spool / f"{name}.wav"
    target = house.config.data_dir / "recordings" / contact.id / f"{name}.wav"
    try:
        if house.config.asterisk == "external":
            await _fetch(house.require_ari(), name, source)
        ms, sha256, sm3 = await asyncio.to_thread(_keep, source, target)
    except (AriError, OSError, EOFError, wave.Error) as error:
        log.error("remark not kept", contact=contact.id, error=type(error).__name__)
        return False
    if not ms:
        return False
    await contact.note(
        "recording",
        once=name,
        id=name,
        file=f"{contact.id}/{target.name}",
        ms=ms,
        sha256=sha256,
        sm3=sm3,
        kind="remark",
    )
    return True


async def _fetch(ari: Ari, name: str, target: Path) -> None:
    sound = await ari.download(f"recordings/stored/{name}/file")
    await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
    await asyncio.to_thread(target.write_bytes, sound)
    await ari.request("DELETE", f"recordings/stored/{name}")


def _keep(source: Path, target: Path) -> tuple[int, str, str]:
    """Length and digests, once the file lies durably under its last name; a silent one is removed (length 0)."""
    with wave.open(str(source)) as sound:
        ms = sound.getnframes() * 1000 // sound.getframerate()
        samples = array("h", sound.readframes(sound.getnframes()))
    if max(map(abs, samples), default=0) < SILENT:
        source.unlink()
        return 0, "", ""
    target.parent.mkdir(parents=True, exist_ok=True)
    source.chmod(0o440)
    source.replace(target)
    for path in (target, target.parent):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    return (ms, *digests(target))
