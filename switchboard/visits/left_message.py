"""A message of a visitor whom nobody answers: written, or spoken at the terminal. It is answered as every message is.

What was spoken comes as a browser records it and is made anew as the WAV file that all messages are.
"""

from __future__ import annotations

import asyncio
import io
import wave
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from ivr.recording import digests, flush
from switchboard.contacts.promises import MESSAGE_DAYS, message_id, promise, promised_contact
from switchboard.errors import InvalidInput

if TYPE_CHECKING:
    from switchboard.contacts.contact import Contact
    from switchboard.house import House

log = structlog.get_logger(__name__)

RATE = 8_000
LEAST_MS = 500
MOST_BYTES = 4 << 20
"""Three minutes as a browser records them are about 1 MB."""
TYPES = frozenset({"audio/webm", "audio/ogg", "audio/wav", "audio/mp4"})


async def leave_written(house: House, contact: Contact, text: str, number: str | None) -> Contact:
    """Keep what was typed; the visit has its end then. Raises RecordsAway."""
    return await _leave(house, contact, number, written=text)


async def leave_spoken(house: House, contact: Contact, sound: bytes, number: str | None) -> Contact:
    """Keep what was said. Raises InvalidInput (no sound, too short), RecordsAway, OSError."""
    ident = message_id(contact.id)
    file = house.recordings_dir / ident / f"{ident}.wav"
    ms = await asyncio.to_thread(_made_anew, sound, file, house.config.message_most_s)
    return await _leave(house, contact, number, spoken=(file, ms))


async def _leave(
    house: House,
    contact: Contact,
    number: str | None,
    *,
    written: str | None = None,
    spoken: tuple[Path, int] | None = None,
) -> Contact:
    ident = message_id(contact.id)
    await contact.stored()
    record = await house.records.contact(contact.id)
    if record is None:
        raise LookupError(contact.id)
    await promise(house, ident, record[0], medium="message", days=MESSAGE_DAYS, caller=number)
    if written is not None:
        await house.records.append(ident, "written", key="written", text=written)
    if spoken is not None:
        file, ms = spoken
        sha256, sm3 = await asyncio.to_thread(digests, file)
        await house.records.append(
            ident,
            "recording",
            key="recording",
            id=ident,
            file=f"{ident}/{file.name}",
            ms=ms,
            sha256=sha256,
            sm3=sm3,
            kind="message",
        )
    kept = await promised_contact(house, ident)
    if kept is None:
        raise LookupError(ident)
    contact.end("message_left", "caller")
    house.tasks.begin(kept)
    log.info("visitor's message kept", contact=ident)
    return kept


def _made_anew(sound: bytes, file: Path, most_s: int) -> int:
    """Its length in ms. Raises InvalidInput, OSError."""
    import av  # FFmpeg's libraries take half a second: not at a start
    from av.error import FFmpegError

    samples = bytearray()
    try:
        with av.open(io.BytesIO(sound), "r", metadata_errors="ignore") as source:
            resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
            for frame in source.decode(audio=0):
                for part in resampler.resample(frame):
                    samples += bytes(part.planes[0])[: 2 * part.samples]
                if len(samples) >= 2 * RATE * most_s:
                    break
    except (FFmpegError, ValueError, IndexError, LookupError):
        raise InvalidInput(fields=("sound",)) from None
    del samples[2 * RATE * most_s :]
    ms = len(samples) * 1000 // (2 * RATE)
    if ms < LEAST_MS:
        raise InvalidInput(fields=("sound",))
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    with wave.open(str(part), "wb") as out:
        out.setparams((1, 2, RATE, 0, "NONE", ""))
        out.writeframes(bytes(samples))
    part.chmod(0o440)
    flush(part)
    part.replace(file)
    flush(file.parent)
    return ms
