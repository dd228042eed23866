"""What plays and what records, as things that end once with one result.

Each follows its own id and its channel's before Asterisk is asked for it, so that no end is missed; after a
gap in the event socket it asks Asterisk whether it still goes on. It lets go of the socket by itself when it
ends, whether or not anybody waited.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Literal

from ivr.ari.client import Ari, Reconciled, segment
from ivr.ari.events import (
    BridgeDestroyed,
    ChannelDestroyed,
    ChannelHangupRequest,
    Event,
    PlaybackFinished,
    RecordingFailed,
    RecordingFinished,
    RecordingSnapshot,
    RecordingStarted,
    StasisEnd,
)
from ivr.errors import AriError, Conflict, Disconnected, IvrError, NotFound, Unprocessable

Outcome = Literal["finished", "stopped", "failed", "hung_up"]
GONE = (NotFound, Conflict, Unprocessable)
"""How Asterisk says that the other side was quicker; never worth an exception of ours."""


class _Medium:
    """Common part: one outcome, told by events."""

    kind = ""  # the path that names the living thing in ARI

    def __init__(self, ari: Ari, id: str, target: str) -> None:
        self.ari = ari
        self.id = id
        self.target = target
        self.outcome: Outcome | None = None
        self._stopping = False
        self._hung_up = False
        self._doubtful = False
        self._error: IvrError | None = None
        self._changed = asyncio.Event()
        ari.attach(self, id, target)

    @property
    def live(self) -> bool:
        """Whether it has not ended, as far as is known."""
        return self.outcome is None

    async def finished(self) -> Outcome:
        """Wait for the end: "finished" by itself, "stopped" by us, "failed" (no such sound) or "hung_up".

        Raises StoodDown or Disconnected only when the client itself has ended. Any number of tasks may wait.
        """
        while self.outcome is None:
            if self._error is not None:
                raise self._error
            if self._doubtful:
                await self._ask_whether_live()
                continue
            changed = self._changed
            await changed.wait()
        return self.outcome

    def push(self, event: Event) -> None:
        match event:
            case ChannelHangupRequest() if event.channel.id == self.target:
                self._hung_up = True
            case ChannelDestroyed() | StasisEnd() if event.channel.id == self.target:
                self.settle("hung_up")
            case BridgeDestroyed() if event.bridge.id == self.target:
                self.settle("hung_up")
            case Reconciled() if self.target not in event.channels and self.target not in event.bridges:
                self.settle("hung_up")
            case Reconciled():
                self._doubtful = True
                self._wake()
            case _:
                pass

    def fail(self, error: IvrError) -> None:
        self._error = error
        self._wake()

    def doubt(self) -> None:
        """It may have ended before we listened (it was begun by a process before this one): ask Asterisk."""
        self._doubtful = True
        self._wake()

    def settle(self, outcome: Outcome) -> None:
        """End with this outcome, once."""
        if self.outcome is None:
            self.outcome = outcome
            self.ari.detach(self)
            self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _ask_whether_live(self) -> None:
        """After a gap: Asterisk knows a playback or a live recording only while it goes on."""
        self._doubtful = False
        try:
            await self.ari.request("GET", f"{self.kind}/{segment(self.id)}")
        except NotFound:
            self.settle("stopped" if self._stopping else "finished")
        except AriError:
            self._doubtful = True
            with contextlib.suppress(Disconnected):
                await self.ari.wait_connected()
            await asyncio.sleep(0.05)

    async def _act(self, method: str, verb: str) -> bool:
        """One request about the living thing; False when it has ended meanwhile."""
        suffix = f"/{verb}" if verb else ""
        try:
            await self.ari.request(method, f"{self.kind}/{segment(self.id)}{suffix}")
        except GONE:
            return False
        return True


class Playback(_Medium):
    """A prompt that plays on a channel or bridge."""

    kind = "playbacks"

    def push(self, event: Event) -> None:
        if isinstance(event, PlaybackFinished) and event.playback.id == self.id:
            if self._hung_up:
                self.settle("hung_up")
            elif self._stopping:
                self.settle("stopped")
            else:
                self.settle("failed" if event.playback.state == "failed" else "finished")
            return
        super().push(event)

    async def stop(self) -> bool:
        """Stop it now (barge-in). False when it had ended already. Playbacks behind it in the queue go on."""
        if self.outcome is not None:
            return False
        self._stopping = True
        return await self._act("DELETE", "")


class Recording(_Medium):
    """A recording being made. `id` is its name; `duration_ms` is known (to the second) after its end."""

    kind = "recordings/live"

    def __init__(self, ari: Ari, id: str, target: str) -> None:
        super().__init__(ari, id, target)
        self.duration_ms: int | None = None
        self._begun = False

    def push(self, event: Event) -> None:
        if isinstance(event, RecordingStarted) and event.recording.name == self.id:
            self._begun = True
            self._wake()
            return
        if isinstance(event, (RecordingFinished, RecordingFailed)) and event.recording.name == self.id:
            self._ended(event.recording, failed=isinstance(event, RecordingFailed))
            return
        # A recording outlives the channel's last events by a moment: its own event is the end of it.
        if isinstance(event, (ChannelDestroyed, StasisEnd)):
            self._hung_up = True
            if isinstance(event, StasisEnd):
                return
        super().push(event)

    def _ended(self, recording: RecordingSnapshot, *, failed: bool) -> None:
        if recording.duration is not None:
            self.duration_ms = recording.duration * 1000
        if failed:
            self.settle("failed")
        elif self._stopping:
            self.settle("stopped")
        else:
            self.settle("hung_up" if self._hung_up else "finished")

    async def begun(self) -> bool:
        """Wait until it runs; False when it ended without. It takes its turn behind the channel's prompts."""
        while not self._begun and self.outcome is None:
            if self._error is not None:
                raise self._error
            changed = self._changed
            await changed.wait()
        return self._begun

    async def _act(self, method: str, verb: str) -> bool:
        try:
            return await super()._act(method, verb)
        except AriError as error:
            # In the moment between its making and its beginning Asterisk can do nothing with it.
            if error.status != 500 or self._begun:
                raise
        async with asyncio.timeout(self.ari.settings.request_timeout_s):
            await self.begun()
        return await super()._act(method, verb)

    async def stop(self) -> bool:
        """End it and keep what there is. False when it had ended already."""
        self._stopping = True
        return await self._act("POST", "stop")

    async def discard(self) -> bool:
        """End it and throw it away."""
        self._stopping = True
        done = await self._act("DELETE", "")
        self.settle("stopped")
        return done

    async def pause(self) -> bool:
        """Leave out what is said from now on (the time is missing in the file)."""
        return await self._act("POST", "pause")

    async def unpause(self) -> bool:
        return await self._act("DELETE", "pause")

    async def mute(self) -> bool:
        """Write silence from now on (the time stays in the file)."""
        return await self._act("POST", "mute")

    async def unmute(self) -> bool:
        return await self._act("DELETE", "mute")
