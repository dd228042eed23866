"""A telephone's way into a video room and out of it: what is said and asked, the sound, and how it ended.

``ivr`` knows the telephone and ``video`` the room; this is all that knows both.

``take_part``: somebody on the line joins a room.  ``call_out``: a room calls somebody.  ``end_left_behind``: after a
restart, whoever is still on the line is told.
"""

from __future__ import annotations

import asyncio
import wave
from collections.abc import Collection
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import structlog

from ivr.ari.bridge import Bridge
from ivr.ari.channel import Channel
from ivr.ari.client import Ari, Reconciled, new_id
from ivr.audio import AudioLine, audio_line
from ivr.call import Call
from ivr.errors import AriError, AudioFailed, CallerLeft, NotReached
from ivr.outbound import outbound_call, person_answers
from ivr.prompt import ask, say
from ivr.prompts.alaw import SAMPLES
from ivr.prompts.catalogue import PromptSet
from ivr.prompts.errors import PromptError
from video.bridge import VideoBridge
from video.errors import RoomClosed, RoomFull, RoomRefused, SentBack, VideoError
from video.participant import Participant, Standing

if TYPE_CHECKING:  # it loads FFmpeg's libraries, which no start waits for
    from video.phone.peer import PhonePeer

log = structlog.get_logger(__name__)

Kind = Literal["mediation", "notarization", "meeting"]
"""What room it is, as it is said to whoever is called."""

How = Literal["over", "removed", "full", "on_screen", "lost", "hung_up"]
"""The room has ended (or is not there); a host sent this person out; no seat is free; this person's page has its media
up, so the telephone is not needed any more; the connection between Asterisk and the room broke; hung up."""

PREFIX = "ph-"
"""How the channel ids of called telephones begin."""
MEDIA_PREFIX = "em-"
SCREEN_S = 20.0
"""How long a page that has taken the place over may need until its sound and picture are up."""
LOOK_S = 0.1
CONSENT_MS = 5_000
PROMPT_RATE = 8_000

_LAST_WORDS: dict[How, str] = {
    "over": "room_over",
    "removed": "room_removed",
    "full": "room_full",
    "on_screen": "room_on_screen",
    "lost": "room_lost",
}
_ELSEWHERE = "video.elsewhere"
_ENDED: dict[str, How] = {SentBack.code: "removed", RoomClosed.code: "over"}


def new_leg_id() -> str:
    """For ``call_out``."""
    return new_id(PREFIX.rstrip("-"))


async def take_part(call: Call, bridge: VideoBridge, room: str, token: str, *, records: bool) -> How:
    """The caller takes part in a room until one of both ends it; the last thing they hear is why. The call is still up
    afterwards and belongs to whoever gave it.

    A page that enters the room under the token's ``person`` takes the place over: the telephone stays until the page's
    sound and picture are up, and goes on if that does not come about.

    Args:
        call: answered, in our application, in no bridge, playing nothing.
        token: says which room, as whom, and whether to wait first. The room must be open.
        records: whether the room is recorded or may be: then the caller is asked. Nobody who was not asked, or did not
            agree, is on a tape.

    Raises:
        CallerLeft: the caller has hung up; the place in the room is given up.
    """
    async with call.while_connected():
        consents = records and await _agrees(call)
        try:
            how = await _in_room(call, bridge, room, token, consents=consents)
        except RoomFull:
            how = "full"
        except RoomRefused:
            how = "over"
        except (VideoError, AudioFailed, AriError) as error:
            why = error.why if isinstance(error, AudioFailed) else ""
            log.warning("telephone without a room", code=error.code, why=why)
            how = "lost"
        with suppress(AriError):
            await say(call, [_LAST_WORDS[how]])
        return how


async def call_out(
    ari: Ari,
    endpoint: str,
    prompts: PromptSet,
    bridge: VideoBridge,
    room: str,
    token: str,
    *,
    kind: Kind,
    records: bool,
    caller_id: str,
    leg_id: str,
    language: str = "zh",
    timeout_ms: int = 40_000,
) -> How:
    """Call somebody into a room: told what room it is, in once 1 is pressed, waiting first if ``token`` says so.

    ``endpoint`` comes from ``ivr.dialling`` or is a registered telephone; ``leg_id`` from ``new_leg_id``. Raises
    ``NotReached``: busy, no answer, nobody pressed the key.
    """
    async with outbound_call(
        ari,
        endpoint,
        prompts,
        channel_id=leg_id,
        language=language,
        caller_id=caller_id,
        timeout_ms=timeout_ms,
    ) as call:
        try:
            async with call.while_connected():
                if not await person_answers(call, [f"room_invite_{kind}", "room_press_one"]):
                    raise NotReached("not_confirmed", 0)
        except CallerLeft as left:
            raise NotReached("not_confirmed", left.cause) from left
        try:
            return await take_part(call, bridge, room, token, records=records)
        except CallerLeft:
            return "hung_up"


async def end_left_behind(
    ari: Ari, found: Reconciled, prompts: PromptSet, living: Collection[str] = ()
) -> int:
    """After a connect: telephones that were called by a process before this one, and whose room has lost them, are told
    so and hung up. ``living``: leg ids of ours that are in a room. Returns how many there were."""
    for bridge_id in found.bridges:
        media_id = bridge_id.removesuffix("-b")
        if bridge_id.startswith(MEDIA_PREFIX) and media_id not in found.channels:
            await Bridge(ari, bridge_id).destroy()
    left = [one for one in found.channels if one.startswith(PREFIX) and one not in living]
    await asyncio.gather(*(_say_lost(ari, one, prompts) for one in left))
    return len(left)


async def _say_lost(ari: Ari, channel_id: str, prompts: PromptSet) -> None:
    with suppress(AriError, CallerLeft):
        async with Call(ari, Channel(ari, channel_id), prompts) as call, call.while_connected():
            await say(call, [_LAST_WORDS["lost"]])


async def _agrees(call: Call) -> bool:
    """Whether the caller's voice may be recorded. No key is no."""
    if await ask(call, ["room_recording"], first_key_ms=CONSENT_MS) == "1":
        return True
    await say(call, ["room_not_recorded"])
    return False


async def _in_room(call: Call, bridge: VideoBridge, room: str, token: str, *, consents: bool) -> How:
    music = await asyncio.to_thread(_music, call.prompts)
    async with audio_line(call.ari, call.channel, media_id=new_id(MEDIA_PREFIX.rstrip("-"))) as line:
        while True:
            place = _Place(call, music)
            the_room, person, phone = bridge.enter_by_phone(room, token, place, line, consents=consents)
            why = "hung_up"
            try:
                code = await place.stay(phone, line)
            except AudioFailed:
                why = "line_lost"
                raise
            finally:
                if person.outlet is place:
                    the_room.leave(person, why)
            if code != _ELSEWHERE:
                return _ENDED.get(code, "lost")
            if await _screen_is_up(line, person, phone):
                return "on_screen"
            log.info("page did not come up, telephone goes on")


async def _screen_is_up(line: AudioLine, person: Participant, phone: PhonePeer) -> bool:
    """Whether the page that took the place over gets its media up. Until it offers, the telephone goes on."""
    pumping = asyncio.create_task(_pump(line, phone))
    try:
        async with asyncio.timeout(SCREEN_S):
            while not pumping.done():
                peer = person.peer
                if peer is not None and peer is not phone and peer.ready:
                    return True
                if person.standing is Standing.GONE and peer is not phone:
                    return False
                await asyncio.sleep(LOOK_S)
            pumping.result()
    except TimeoutError:
        return False
    finally:
        pumping.cancel()
        await asyncio.gather(pumping, return_exceptions=True)
    return False


async def _pump(line: AudioLine, phone: PhonePeer) -> None:
    """What the telephone says, to the room. Raises AudioFailed at its end."""
    async for frame in line:
        phone.take(frame)


class _Place:
    """The telephone's place in the room: hears of what changes there and says it in words. An ``Outlet``."""

    def __init__(self, call: Call, music: bytes) -> None:
        self._call = call
        self._music = music
        self._phone: PhonePeer | None = None
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._seen: tuple[str, bool, int | None] = ("", False, None)
        self._told_before: list[dict[str, Any]] = []

    async def stay(self, phone: PhonePeer, line: AudioLine) -> str:
        """Until the room ends it; the code of protocol.md. Raises AudioFailed."""
        self._phone = phone
        phone.hold(self._music, PROMPT_RATE)
        for message in self._told_before:
            self.say(message)
        pumping = asyncio.create_task(_pump(line, phone))
        try:
            await asyncio.wait({pumping, self._ended}, return_when=asyncio.FIRST_COMPLETED)
            if not self._ended.done():
                pumping.result()
            return self._ended.result()
        finally:
            pumping.cancel()
            await asyncio.gather(pumping, return_exceptions=True)

    # ---- Outlet

    def say(self, message: dict[str, Any]) -> None:
        if message["type"] != "room":
            return
        if self._phone is None:
            self._told_before = [message]
            return
        own = next((one for one in message["participants"] if one["id"] == message["you"]), {})
        now = (message["standing"], "audio" in message["muted"], own.get("group"))
        before, self._seen = self._seen, now
        for key in _words(before, now):
            self._tell(self._phone, key)

    def end(self, code: str) -> None:
        if not self._ended.done():
            self._ended.set_result(code)

    def _tell(self, phone: PhonePeer, key: str) -> None:
        try:
            sound = _sound(self._call.prompts.path(self._call.language, key))
        except (PromptError, OSError) as error:  # a sentence is missed rather than the room
            log.error("prompt left out", key=key, error=type(error).__name__)
            return
        phone.say(sound, PROMPT_RATE)


def _words(before: tuple[str, bool, int | None], now: tuple[str, bool, int | None]) -> list[str]:
    """What the telephone is told of a change: standing, muted by a host, group."""
    if now[0] != before[0]:
        if now[0] == Standing.WAITING:
            return ["room_sent_back" if before[0] == Standing.HERE else "room_wait"]
        return ["room_here", *(["room_muted"] if now[1] else [])] if now[0] == Standing.HERE else []
    if now[0] != Standing.HERE:
        return []
    words: list[str] = []
    if now[2] != before[2]:
        words.append("room_together" if now[2] is None else "room_caucus")
    if now[1] != before[1]:
        words.append("room_muted" if now[1] else "room_unmuted")
    return words


def _music(prompts: PromptSet) -> bytes:
    """What is heard while waiting; nothing when there is no music."""
    folder = prompts.music
    files = sorted(path for path in folder.glob("*") if path.suffix in (".wav", ".alaw"))
    if not files:
        return b""
    try:
        return _decoded(files[0], files[0].stat().st_mtime_ns)
    except (OSError, EOFError, wave.Error) as error:
        log.error("music left out", error=type(error).__name__)
        return b""


def _sound(path: Path) -> bytes:
    return _decoded(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _decoded(path: Path, _changed_ns: int) -> bytes:
    """16-bit little-endian samples of a prompt file at 8 kHz."""
    if path.suffix == ".wav":
        with wave.open(str(path)) as file:
            return file.readframes(file.getnframes())
    import numpy as np  # the first time somebody is told something

    table = np.array(SAMPLES, "<i2")
    return table[np.frombuffer(path.read_bytes(), np.uint8)].tobytes()
