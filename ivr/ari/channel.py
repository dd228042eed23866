"""One leg of a call, as a handle: it asks Asterisk for things and remembers nothing that could get old."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ivr.ari.client import Ari, EventStream, Query, new_id, segment
from ivr.ari.events import ChannelSnapshot, StasisStart, parse_channel
from ivr.ari.media import GONE, Playback, Recording
from ivr.errors import AriError, NotFound, Unreachable

Direction = Literal["in", "out", "both", "none"]

# What waits for the end of a prompt waits for this long at most.
ASIDE_TIMEOUT_S = 30.0


class Channel:
    """A channel of our application.

    That the other side was quicker (hung up, left the application) is a normal outcome: methods that act
    return False then. They raise Disconnected or RequestTimedOut when it is not known what happened, and
    AriError for what is our own mistake. `caller_number` and `dialled` are as they were when the handle was
    made.
    """

    def __init__(
        self,
        ari: Ari,
        id: str,
        *,
        name: str = "",
        caller_number: str = "",
        dialled: str = "",
        language: str = "",
        args: Sequence[str] = (),
        variables: Mapping[str, Any] | None = None,
    ) -> None:
        self.ari = ari
        self.id = id
        self.name = name
        self.caller_number = caller_number
        self.dialled = dialled
        self.language = language
        self.args = tuple(args)
        self.variables: Mapping[str, Any] = variables or {}

    def __repr__(self) -> str:
        return f"Channel({self.id!r})"

    @classmethod
    def from_snapshot(cls, ari: Ari, snapshot: ChannelSnapshot, args: Sequence[str] = ()) -> Channel:
        """The handle of a channel that an event or a reconcile told of."""
        return cls(
            ari,
            snapshot.id,
            name=snapshot.name,
            caller_number=snapshot.caller.number,
            dialled=snapshot.dialplan.exten,
            language=snapshot.language,
            args=args,
            variables=snapshot.channelvars,
        )

    @classmethod
    def from_start(cls, ari: Ari, event: StasisStart) -> Channel:
        """The handle of a channel that has just entered the application; `args` are those of Stasis()."""
        return cls.from_snapshot(ari, event.channel, event.args)

    @classmethod
    async def originate(
        cls,
        ari: Ari,
        endpoint: str,
        *,
        id: str | None = None,
        caller_id: str | None = None,
        timeout_s: int = 30,
        variables: Mapping[str, str] | None = None,
        originator: str | None = None,
        formats: Sequence[str] | None = None,
        app_args: Sequence[str] = (),
    ) -> Channel:
        """Call `endpoint` ("PJSIP/v001", "PJSIP/+8613...@trunk") into our application.

        Returns while it still rings: follow `id` first, then StasisStart says it answered, ChannelDestroyed
        (with `cause`: 17 busy, 19 no answer, 21 rejected) that it did not. Give `originator` (the caller's
        channel id) or `formats`, never both; with the first both legs keep one codec. A Local
        channel with neither runs at 192 kHz. Nothing in `endpoint`
        may come from outside: build it from an allow-list. Raises Unreachable when no phone
        is registered there, Conflict when the id is in use.
        """
        channel_id = id or new_id("ch")
        query: Query = {
            "endpoint": endpoint,
            "app": ari.settings.app,
            "appArgs": ",".join(app_args) or None,
            "callerId": caller_id,
            "timeout": timeout_s,
            "originator": originator,
            "formats": ",".join(formats) if formats else None,
        }
        body = {"variables": dict(variables)} if variables else None
        try:
            raw = await ari.request("POST", f"channels/{segment(channel_id)}", query=query, body=body)
        except AriError as error:
            if error.status == 500 and error.reason == "Allocation failed":
                raise Unreachable("no phone is registered there", status=500, request="originate") from error
            raise
        return cls.from_snapshot(ari, parse_channel(raw), app_args)

    def events(self) -> EventStream:
        """A stream of this channel's events from now on."""
        return self.ari.follow(self.id)

    # --- the call ------------------------------------------------------------------------------------------

    async def answer(self, *, early_media: bool = False) -> bool:
        """Answer. Say `early_media` when something plays already: then it waits for the end of that."""
        return await self._act("POST", "answer", aside=early_media)

    async def hangup(self, cause: int | None = None) -> bool:
        """End it, with a Q.850 cause (16 normal, 17 busy, 21 rejected). False when it had ended."""
        return await self._act("DELETE", "", {"reason_code": cause})

    async def ring(self) -> bool:
        """Let the caller hear ringing (before `answer`)."""
        return await self._act("POST", "ring")

    async def unring(self) -> bool:
        return await self._act("DELETE", "ring")

    async def continue_in_dialplan(self, context: str, extension: str = "s", priority: int = 1) -> bool:
        """Give the channel back to the dialplan, for example to "away" when we cannot go on."""
        query: Query = {"context": context, "extension": extension, "priority": priority}
        return await self._act("POST", "continue", query)

    async def exists(self) -> bool:
        try:
            await self.ari.request("GET", f"channels/{segment(self.id)}")
        except NotFound:
            return False
        return True

    # --- sound ---------------------------------------------------------------------------------------------

    async def play(
        self, media: str | Sequence[str], playback_id: str | None = None, *, language: str | None = None
    ) -> Playback:
        """Play "sound:...", "tone:...", "recording:..." or several in turn; returns when it is queued.

        Playbacks of one channel play one after the other. A channel that is gone gives a playback that has
        ended with "hung_up".
        """
        playback = Playback(self.ari, playback_id or new_id("pb"), self.id)
        query: Query = {"media": media if isinstance(media, str) else ",".join(media), "lang": language}
        await begin(playback, f"channels/{segment(self.id)}/play/{segment(playback.id)}", query)
        return playback

    async def record(
        self,
        name: str,
        *,
        format: str = "wav",
        max_s: int = 0,
        max_silence_s: int = 0,
        terminate_on: Literal["none", "any", "*", "#"] = "none",
        beep: bool = False,
        if_exists: Literal["fail", "overwrite", "append"] = "fail",
    ) -> Recording:
        """Record what this channel says into "<recordings>/<name>.<format>"; 0 means no limit.

        Raises Conflict when the name is taken (and `if_exists` is "fail"); folders in the name must exist.
        While it records, the channel can be in no bridge: to record a talk, record snoop channels (see
        `snoop`).
        """
        recording = Recording(self.ari, name, self.id)
        query: Query = {
            "name": name,
            "format": format,
            "maxDurationSeconds": max_s,
            "maxSilenceSeconds": max_silence_s,
            "terminateOn": terminate_on,
            "beep": beep,
            "ifExists": if_exists,
        }
        await begin(recording, f"channels/{segment(self.id)}/record", query)
        return recording

    async def snoop(
        self,
        *,
        id: str | None = None,
        spy: Direction = "none",
        whisper: Direction = "none",
        app_args: Sequence[str] = (),
    ) -> Channel:
        """A channel that hears (`spy`) or speaks into (`whisper`) this one. Raises NotFound when it is gone.

        To record a talk in stereo, one file for each party:

            heard = await caller.snoop(id="sn-in", spy="in", app_args=["snoop"])    # what the caller says
            told = await caller.snoop(id="sn-out", spy="out", app_args=["snoop"])   # what the caller hears
            left = await heard.record("c-17-caller")
            right = await told.record("c-17-agent")

        It is in our application when this returns (StasisStart was told, with `app_args`). It ends when this
        channel ends, and its recording with it; to end the recording before, stop it and hang up the snoop.
        """
        snoop_id = id or new_id("sn")
        query: Query = {
            "app": self.ari.settings.app,
            "spy": spy,
            "whisper": whisper,
            "appArgs": ",".join(app_args) or None,
        }
        path = f"channels/{segment(self.id)}/snoop/{segment(snoop_id)}"
        with self.ari.follow(snoop_id) as events:
            raw = await self.ari.request("POST", path, query=query)
            # Before it has entered the application, Asterisk refuses to record it.
            async with asyncio.timeout(self.ari.settings.request_timeout_s):
                while not isinstance(await events.get(), StasisStart):
                    pass
        return Channel.from_snapshot(self.ari, parse_channel(raw), app_args)

    async def start_moh(self, music_class: str | None = None) -> bool:
        """Music to this channel alone. It goes on in a mixing bridge unless stopped before."""
        return await self._act("POST", "moh", {"mohClass": music_class})

    async def stop_moh(self) -> bool:
        return await self._act("DELETE", "moh")

    async def mute(self, direction: Literal["in", "out", "both"] = "both") -> bool:
        """ "in": nobody hears this channel; "out": it hears nobody."""
        return await self._act("POST", "mute", {"direction": direction})

    async def unmute(self, direction: Literal["in", "out", "both"] = "both") -> bool:
        return await self._act("DELETE", "mute", {"direction": direction})

    async def send_dtmf(self, digits: str, *, between_ms: int = 100, duration_ms: int = 100) -> bool:
        query: Query = {"dtmf": digits, "between": between_ms, "duration": duration_ms}
        return await self._act("POST", "dtmf", query)

    async def received(self) -> int | None:
        """How many RTP packets have come in so far; None when it is gone or has no RTP."""
        try:
            raw = await self.ari.request("GET", f"channels/{segment(self.id)}/rtp_statistics")
        except GONE:
            return None
        return raw.get("rxcount")

    # --- variables -----------------------------------------------------------------------------------------

    async def set_var(self, name: str, value: str) -> bool:
        """Set a channel variable. Waits while it plays or records: prefer `variables` of `originate`."""
        return await self._act("POST", "variable", {"variable": name, "value": value}, aside=True)

    async def get_var(self, name: str) -> str | None:
        """The value of a channel variable or function; None when it is unset or the channel is gone."""
        try:
            path = f"channels/{segment(self.id)}/variable"
            raw = await self.ari.request("GET", path, query={"variable": name})
        except GONE:
            return None
        return raw["value"]

    async def _act(self, method: str, verb: str, query: Query | None = None, *, aside: bool = False) -> bool:
        path = f"channels/{segment(self.id)}" + (f"/{verb}" if verb else "")
        timeout = ASIDE_TIMEOUT_S if aside else None
        try:
            await self.ari.request(method, path, query=query, aside=aside, timeout=timeout)
        except GONE:
            return False
        return True


async def begin(medium: Playback | Recording, path: str, query: Query) -> None:
    """Ask Asterisk for a medium that already listens; let go of it when there will be none."""
    try:
        await medium.ari.request("POST", path, query=query)
    except NotFound:
        medium.settle("hung_up")
    except BaseException:
        medium.settle("failed")
        raise
