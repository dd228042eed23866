"""The routes of the prompts: what callers hear, replaced one by one with studio recordings. Administrators only."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from aiohttp import web
from pydantic import BaseModel, Field

from ivr.prompts import errors
from ivr.prompts.catalogue import LANGUAGE
from ivr.prompts.studio import MOST_BYTES, Entry
from switchboard.errors import (
    BadRequest,
    NoEarlierSound,
    NoSoundFolder,
    NotFound,
    NotSoundType,
    SoundIsLong,
    SoundIsQuiet,
    SoundUnreadable,
    WebError,
)
from switchboard.web.routes import ADMINISTRATORS, Call, Routes
from switchboard.web.schemas import Input
from switchboard.web.state import SOUND_DOOR

routes = Routes()

PARTS = {"language": LANGUAGE.pattern, "key": r"[a-z][a-z0-9_]{0,63}"}
SOUND_TYPES = frozenset(
    {"audio/wav", "audio/wave", "audio/x-wav", "audio/vnd.wave", "application/octet-stream"}
)
BODY_S = 60.0
"""A studio's line may be slow: 10 MB in a minute."""

_ANSWERS: tuple[tuple[type[errors.PromptError], type[WebError]], ...] = (
    (errors.NotSound, SoundUnreadable),
    (errors.SoundTooLong, SoundIsLong),
    (errors.TooQuiet, SoundIsQuiet),
    (errors.NoEarlierRecording, NoEarlierSound),
    (errors.NoOverlay, NoSoundFolder),
    (errors.UnknownPrompt, NotFound),
    (errors.MissingSound, NotFound),
)


class PromptsQuery(Input):
    language: str = Field("zh", pattern=rf"^{LANGUAGE.pattern}$")
    series: bool = False


class PromptView(BaseModel):
    """One prompt in one language as it is heard now; ``notes`` are for the speaker of what was just uploaded."""

    key: str
    language: str
    text: str
    source: str = Field(description="studio, rendered, fallback (Mandarin is played) or missing")
    ms: int
    series: bool = Field(description="one of a row of numbers, days or hours")
    changed_ms: int | None
    earlier: bool = Field(description="the recording before can be taken back")
    problems: list[str]
    notes: list[str] = []

    @classmethod
    def of(cls, entry: Entry, notes: tuple[str, ...] = ()) -> PromptView:
        return cls(**asdict(entry), notes=list(notes))


class Prompts(BaseModel):
    languages: list[str]
    items: list[PromptView]


@routes.add(
    "GET",
    "/api/prompts",
    roles=ADMINISTRATORS,
    summary="What callers hear in one language",
    query=PromptsQuery,
    answer=Prompts,
)
async def prompts(call: Call) -> Prompts:
    studio, asked = call.house.studio, call.query
    entries = await asyncio.to_thread(studio.entries, asked.language)
    shown = [PromptView.of(entry) for entry in entries if asked.series or not entry.series]
    return Prompts(languages=await asyncio.to_thread(lambda: studio.languages), items=shown)


@routes.add(
    "GET",
    "/api/prompts/{language}/{key}/sound",
    roles=ADMINISTRATORS,
    summary="A prompt as it is heard now, as audio/wav",
    parts=PARTS,
)
async def sound(call: Call) -> web.Response:
    with _in_words():
        wav = await asyncio.to_thread(call.house.studio.wav, *_which(call))
    return web.Response(body=wav, content_type="audio/wav")


@routes.add(
    "POST",
    "/api/prompts/{language}/{key}/sound",
    roles=ADMINISTRATORS,
    summary="Use a recording (the body is a WAV file of at most 10 MB) from the next call on",
    answer=PromptView,
    status=201,
    parts=PARTS,
)
async def upload(call: Call) -> PromptView:
    language, key = _which(call)
    data = await _read_sound(call.request)
    with _in_words():
        async with call.request.app[SOUND_DOOR]:
            recording = await asyncio.to_thread(call.house.studio.upload, language, key, data)
    return await _changed(call, "prompt.upload", recording.notes)


@routes.add(
    "DELETE",
    "/api/prompts/{language}/{key}/sound",
    roles=ADMINISTRATORS,
    summary="Back to the sound that came with the software",
    answer=PromptView,
    parts=PARTS,
)
async def reset(call: Call) -> PromptView:
    with _in_words():
        await asyncio.to_thread(call.house.studio.reset, *_which(call))
    return await _changed(call, "prompt.reset")


@routes.add(
    "POST",
    "/api/prompts/{language}/{key}/earlier",
    roles=ADMINISTRATORS,
    summary="The recording before again; the present one becomes the one before",
    answer=PromptView,
    parts=PARTS,
)
async def take_back(call: Call) -> PromptView:
    with _in_words():
        await asyncio.to_thread(call.house.studio.take_back, *_which(call))
    return await _changed(call, "prompt.earlier")


def _which(call: Call) -> tuple[str, str]:
    return call.part("language"), call.part("key")


async def _changed(call: Call, action: str, notes: tuple[str, ...] = ()) -> PromptView:
    language, key = _which(call)
    await call.house.records.audit(call.account.name, action, f"{language}:{key}")
    return PromptView.of(await asyncio.to_thread(call.house.studio.entry, language, key), notes)


async def _read_sound(request: web.Request) -> bytes:
    """The body, however its length was announced: never more than a recording may have."""
    if request.content_type not in SOUND_TYPES:
        raise NotSoundType
    if (request.content_length or 0) > MOST_BYTES:
        raise SoundIsLong
    data = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.content.iter_chunked(64 * 1024):
                data += part
                if len(data) > MOST_BYTES:
                    raise SoundIsLong
    except TimeoutError:
        raise BadRequest from None
    return bytes(data)


@contextmanager
def _in_words() -> Iterator[None]:
    """What the studio refuses, as an answer with its words."""
    try:
        yield
    except errors.PromptError as error:
        answer = next(answer for kind, answer in _ANSWERS if isinstance(error, kind))
        raise answer(problems=(str(error),)) from None
