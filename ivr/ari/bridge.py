"""What joins channels, as a handle."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Literal

from ivr.ari.channel import ASIDE_TIMEOUT_S, Channel, begin
from ivr.ari.client import Ari, Query, new_id, segment
from ivr.ari.media import GONE, Playback, Recording
from ivr.errors import AriError, Conflict, IvrError

BridgeType = Literal["mixing", "holding"]


class Bridge:
    """A bridge of our application; `async with await Bridge.create(ari) as bridge` destroys it at the end.

    As with Channel, methods that act return False when the bridge or the channel is gone.
    """

    def __init__(self, ari: Ari, id: str) -> None:
        self.ari = ari
        self.id = id

    def __repr__(self) -> str:
        return f"Bridge({self.id!r})"

    @classmethod
    async def create(
        cls, ari: Ari, id: str | None = None, type: BridgeType = "mixing", name: str = ""
    ) -> Bridge:
        """Make it, or take the one that has this id already."""
        bridge = cls(ari, id or new_id("br"))
        query: Query = {"type": type, "name": name or None}
        with contextlib.suppress(Conflict):
            await ari.request("POST", f"bridges/{segment(bridge.id)}", query=query)
        return bridge

    @classmethod
    @contextlib.asynccontextmanager
    async def mixing(cls, ari: Ari, id: str, *, outlived_by: str | None = None) -> AsyncIterator[Bridge]:
        """A mixing bridge for as long as the block. A caller may hang up while it is being made: then Asterisk has
        it already, or makes it in a moment, so it is dissolved whether or not its making came to an end here.

        ``outlived_by``: the channel that goes on afterwards. It is taken out first: Asterisk says that a bridge is
        destroyed before everybody is out, and what is played to a channel on its way out is never heard and never
        ends.
        """
        async with cls(ari, id) as bridge:
            await cls.create(ari, id)
            try:
                yield bridge
            finally:
                if outlived_by is not None:
                    with contextlib.suppress(IvrError):
                        await asyncio.shield(bridge.remove(outlived_by))

    async def __aenter__(self) -> Bridge:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # With Asterisk away there is nothing to destroy, and the error on its way says so already.
        with contextlib.suppress(IvrError):
            await asyncio.shield(self.destroy())

    async def add(
        self, *channels: Channel | str, role: Literal["announcer", "participant"] | None = None
    ) -> bool:
        """Put channels in. False when one or the bridge is gone (the others may be in).

        Waits while a channel plays, so stop its prompt first; a channel that records is refused (False).
        """
        return await self._act("POST", "addChannel", {"channel": _ids(channels), "role": role}, aside=True)

    async def remove(self, *channels: Channel | str) -> bool:
        """Take channels out; they stay in the application. Waits while one of them plays."""
        return await self._act("POST", "removeChannel", {"channel": _ids(channels)}, aside=True)

    async def play(self, media: str, playback_id: str | None = None) -> Playback:
        """Play to all in it. Fails while its music runs; then play to a channel, which works."""
        playback = Playback(self.ari, playback_id or new_id("pb"), self.id)
        path = f"bridges/{segment(self.id)}/play/{segment(playback.id)}"
        await begin(playback, path, {"media": media})
        return playback

    async def start_moh(self, music_class: str | None = None) -> bool:
        """Music to all in it. It dies when the bridge empties: start it again at each first arrival."""
        return await self._act("POST", "moh", {"mohClass": music_class})

    async def stop_moh(self) -> bool:
        return await self._act("DELETE", "moh")

    async def record(
        self,
        name: str,
        *,
        format: str = "wav",
        max_s: int = 0,
        if_exists: Literal["fail", "overwrite"] = "fail",
    ) -> Recording:
        """Record the mix of all parties into one file (for one file each: `Channel.snoop`)."""
        recording = Recording(self.ari, name, self.id)
        query: Query = {"name": name, "format": format, "maxDurationSeconds": max_s, "ifExists": if_exists}
        await begin(recording, f"bridges/{segment(self.id)}/record", query)
        return recording

    async def destroy(self) -> bool:
        """Dissolve it; the channels stay in the application. False when it was gone."""
        return await self._act("DELETE", "")

    async def _act(self, method: str, verb: str, query: Query | None = None, *, aside: bool = False) -> bool:
        path = f"bridges/{segment(self.id)}" + (f"/{verb}" if verb else "")
        timeout = ASIDE_TIMEOUT_S if aside else None
        try:
            await self.ari.request(method, path, query=query, aside=aside, timeout=timeout)
        except GONE:
            return False
        except AriError as error:
            # So Asterisk calls it when a channel to be added or removed does not exist.
            if error.status == 400 and error.reason == "Channel not found":
                return False
            raise
        return True


def _ids(channels: tuple[Channel | str, ...]) -> str:
    return ",".join(channel if isinstance(channel, str) else channel.id for channel in channels)
