"""Message mode: a caller speaks, and what was said is never lost.

The recording lies in Asterisk's folder until it is kept: measured and flushed to the disk, written down in SQL with
both digests, then moved beside the other recordings. Each step may be repeated; "saved" is said after the last one.
What is found in the folder when its call has ended (a hang-up, a crash at any moment) goes the same way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from ivr.ari.media import Recording
from ivr.call import Call
from ivr.callback import LONGEST
from ivr.errors import AriError, IvrError, NotFound, RecordingFailed
from ivr.keys import read_number
from ivr.message import (
    Limits,
    Take,
    content_with,
    finish_take,
    measured,
    message_of,
    take_message,
)
from ivr.prompt import say
from ivr.recording import digests, flush, seal
from switchboard.contacts.contact import Contact
from switchboard.contacts.promises import MESSAGE_DAYS, call_of, message_id, promise, promised_contact

if TYPE_CHECKING:
    from switchboard.house import House
    from switchboard.records.fold import ContactRecord

log = structlog.get_logger(__name__)

MOST_LOOKS, LOOK_S = 30, 0.1


async def leave_message(call: Call, contact: Contact, why: str, *, intro: Sequence[str] = ()) -> bool:
    """Take a message of this call, whatever led to it (``key``, ``closed``, ``overload``, ``nobody``, ``timed_out``).

    True when one was kept: the contact has its end then and the caller has heard when the answer comes. A caller who
    hangs up has left the message all the same. The call must be in no bridge. ``intro`` is spoken before the rest.
    """
    house = contact.house
    message = message_id(contact.id)
    contact.enter("message")
    log.info("message mode", contact=contact.id, why=why)
    try:
        first, take = await _begun_before(call, contact, message)
        if first == 1:
            await ask_for_number(call, contact)
        await contact.stored()  # whoever finds the recording finds its call
        if take is None or not (take.counts(limits(house)) and await content_with(call, take)):
            spoken = [*intro, "message_intro", "message_limit"] if first == 1 else ["message_try_again"]
            take = await take_message(
                call, message, house.fetch_recording, limits(house), intro=spoken, first=first
            )
        kept = await _keep_through_hang_up(contact, take) if take else None
    except asyncio.CancelledError:
        if call.gone.done():
            await asyncio.shield(_keep_what_was_said(contact, message))
        raise
    except (AriError, RecordingFailed, OSError) as error:
        log.error("message not taken", contact=contact.id, error=type(error).__name__)
        await say(call, ["message_not_saved"])
        return False
    if kept is None:
        await say(call, ["message_not_kept"])
        return False
    contact.end("message_left", "caller")
    await say(call, saved_prompts(call, kept))
    return True


def limits(house: House) -> Limits:
    config = house.config
    return Limits(
        most_s=config.message_most_s, warn_s=config.message_warn_s, silence_s=config.message_silence_s
    )


async def _keep_through_hang_up(contact: Contact, take: Take) -> Contact:
    """Keeping a message is not given up half-way when its caller hangs up."""
    contact.keeping = asyncio.create_task(keep(contact.house, take.name, confirmed=True))
    return await asyncio.shield(contact.keeping)


async def ask_for_number(call: Call, contact: Contact) -> None:
    """Somebody whose number is withheld may key one in; who does not can still speak it."""
    house = contact.house
    if contact.caller or not house.calls_out:
        return
    typed = await read_number(call, ["message_number_ask"], most=LONGEST)
    if number := house.dialable(typed):
        contact.caller = number
        contact.note("number", caller=number)


def saved_prompts(call: Call, kept: Contact) -> list[str]:
    """Saved, answered by, and the code for dialling back in, said twice."""
    calendar = kept.house.calendar
    said = ["message_saved"]
    if kept.due_ms is not None:
        said += ["answer_by", *call.prompts.date_keys(call.language, calendar.local(kept.due_ms).date())]
    return [*said, *code_prompts(call, kept.code)]


def code_prompts(call: Call, code: str | None) -> list[str]:
    if code is None:
        return []
    digits = call.prompts.digits_keys(call.language, code)
    return ["code_is", *digits, "code_again", *digits, "code_use"]


# ---- keeping


async def keep(house: House, take: str, *, confirmed: bool) -> Contact:
    """Keep one try as the message of its call, and begin to serve it. Returns when all of it is durable.

    Raises OSError, RecordingFailed.
    """
    named = message_of(take)
    if named is None:
        raise RecordingFailed("not a message")
    message = named[0]
    call = await _call_of(house, message)
    file = house.recordings_spool / f"{take}.wav"
    await store(house, message, call, file, confirmed=confirmed)
    await asyncio.to_thread(_discard_takes, house.recordings_spool, message)
    contact = house.live.contact(message) or await promised_contact(house, message)
    if contact is None:
        raise RecordingFailed("the message is not in the records")
    house.tasks.begin(contact)
    log.info("message kept", contact=message, ms=contact.message_ms, confirmed=confirmed)
    return contact


async def store(house: House, message: str, call: ContactRecord, file: Path, *, confirmed: bool) -> None:
    """The file sealed, SQL committed, the file at its place. Each step may be done again."""
    folder = house.config.data_dir / "recordings" / message
    target = folder / f"{message}.wav"
    if await asyncio.to_thread(file.exists):
        ms, sha256, sm3 = await asyncio.to_thread(seal, file)
        await promise(
            house,
            message,
            call,
            medium="message",
            days=MESSAGE_DAYS,
            caller=call.caller,
            confirmed=confirmed,
        )
        await house.records.append(
            message,
            "recording",
            key="recording",
            id=message,
            file=f"{message}/{message}.wav",
            ms=ms,
            sha256=sha256,
            sm3=sm3,
            kind="message",
        )
        await asyncio.to_thread(_move, file, target)
    elif not await asyncio.to_thread(target.exists):
        raise RecordingFailed("the file of a message is gone")


def _move(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    file.chmod(0o440)
    file.replace(target)
    flush(target.parent)
    flush(target.parent.parent)


def _discard_takes(spool: Path, message: str) -> None:
    for file in _takes(spool, message):
        file.unlink(missing_ok=True)


def _takes(spool: Path, message: str) -> list[Path]:
    """The tries of one message, in the order in which they were spoken."""
    found = [(message_of(file.stem), file) for file in spool.glob(f"msg-{message}-*.wav")]
    return [file for _, file in sorted((n, f) for n, f in found if n and n[0] == message)]


async def _call_of(house: House, message: str) -> ContactRecord:
    found = await house.records.contact(call_of(message))
    if found is None:
        raise RecordingFailed("a message without its call")
    return found[0]


# ---- callers who hang up, and processes that die


async def _keep_what_was_said(contact: Contact, message: str) -> None:
    """The caller hung up: what was said until then is the message."""
    house = contact.house
    try:
        if contact.keeping is not None:
            await contact.keeping
            contact.end("message_left", "caller")
            return
        await _recordings_closed(house, message)
        if await take_what_was_said(house, message):
            contact.end("message_left", "caller")
    except (IvrError, OSError) as error:  # the file stays: the next look takes it in
        log.error("message not kept yet", contact=contact.id, error=type(error).__name__)


async def _recordings_closed(house: House, message: str) -> None:
    """Until Asterisk has closed the file, for a bounded time."""
    for file in await asyncio.to_thread(_takes, house.recordings_spool, message):
        for _ in range(MOST_LOOKS):
            if not await _is_live(house, file.stem):
                break
            await asyncio.sleep(LOOK_S)


async def _is_live(house: House, name: str) -> bool:
    try:
        await house.require_ari().request("GET", f"recordings/live/{name}")
    except NotFound:
        return False
    return True


async def take_what_was_said(house: House, message: str) -> Contact | None:
    """Of the tries in the folder keep the last one with speech in it; without any, nothing was said."""
    known = await house.records.contact(message)
    takes = await asyncio.to_thread(_takes, house.recordings_spool, message)
    if known and known[0].recordings:
        return await _go_on_keeping(house, message, takes, known[0])
    for file in reversed(takes):
        take = await measured(file.stem, house.fetch_recording)
        if take.counts(limits(house)):
            return await keep(house, take.name, confirmed=False)
    await asyncio.to_thread(_discard_takes, house.recordings_spool, message)
    return None


async def _go_on_keeping(
    house: House, message: str, takes: list[Path], known: ContactRecord
) -> Contact | None:
    """SQL knows the message already: the file may still have to go to its place, the other tries go."""
    wanted = known.recordings[0].sha256
    for file in takes:
        if (await asyncio.to_thread(digests, file))[0] == wanted:
            return await keep(house, file.stem, confirmed=True)
    await asyncio.to_thread(_discard_takes, house.recordings_spool, message)
    return house.live.contact(message) or await promised_contact(house, message)


async def take_in_spoken(house: House) -> None:
    """Every message in the folder whose call has ended, and for whatever reason was not kept yet."""
    spool = house.recordings_spool
    names = {file.stem for file in await asyncio.to_thread(lambda: list(spool.glob("msg-*.wav")))}
    if house.config.asterisk == "external" and house.ari:
        names |= await _stored_elsewhere(house)
    for message in sorted({named[0] for name in names if (named := message_of(name))}):
        call = await house.records.contact(call_of(message))
        if call is None or call[0].ended_ms is None:
            continue
        for name in sorted(names):
            if name.startswith(f"msg-{message}-"):
                await house.fetch_recording(name)
        if kept := await take_what_was_said(house, message):
            log.info("message taken in", contact=kept.id)


async def _stored_elsewhere(house: House) -> set[str]:
    stored = await house.require_ari().request("GET", "recordings/stored")
    return {raw["name"] for raw in stored if message_of(raw["name"])}


async def _begun_before(call: Call, contact: Contact, message: str) -> tuple[int, Take | None]:
    """After a restart: the try that goes on in Asterisk or was the last one, and the number of the next."""
    house = contact.house
    takes = await asyncio.to_thread(_takes, house.recordings_spool, message)
    if not takes:
        return 1, None
    name = takes[-1].stem
    recording = Recording(call.ari, name, call.channel.id)
    recording.doubt()
    take = await finish_take(call, recording, name, house.fetch_recording, limits(house))
    named = message_of(name)
    return (named[1] + 1 if named else 1), take


async def already_left(call: Call, contact: Contact) -> bool:
    """After a restart: the message of this call was kept, and the caller may not have heard it yet."""
    kept = await promised_contact(contact.house, message_id(contact.id))
    if kept is None or kept.message_ms is None:
        return False
    await take_what_was_said(contact.house, kept.id)
    contact.end("message_left", "caller")
    await say(call, saved_prompts(call, kept))
    return True
