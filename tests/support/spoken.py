"""What every caller is played, as Asterisk itself tells it: a second ear beside the switchboard's own application."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from tests.support.switchboard import Switchboard


class Spoken:
    """`async with Spoken(switchboard) as spoken:` collects the prompts played from now on.

    It is an ARI application of its own that hears of everything and does nothing.

    Attributes:
        by_caller: for each caller's number what was played to them, as (language, prompt), in order.
    """

    def __init__(self, switchboard: Switchboard) -> None:
        self._switchboard = switchboard
        self.by_caller: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self._numbers: dict[str, str] = {}
        self._changed = asyncio.Event()
        self._http: aiohttp.ClientSession | None = None
        self._reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        password = await asyncio.to_thread((self._switchboard.data_dir / "ari-password").read_text)
        headers = {"Authorization": aiohttp.encode_basic_auth("switchboard", password)}
        self._http = aiohttp.ClientSession(headers=headers)
        url = f"http://127.0.0.1:{self._switchboard.ari_port}/ari/events?app=ear&subscribeAll=true"
        socket = await self._http.ws_connect(url)
        self._reader = asyncio.create_task(self._read(socket), name="ear")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        if self._http is not None:
            await self._http.close()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                self._take(message.json())
                self._changed.set()

    def _take(self, event: dict[str, Any]) -> None:
        channel = event.get("channel")
        if isinstance(channel, dict):
            self._numbers[channel["id"]] = channel["caller"]["number"]
        if event["type"] != "PlaybackStarted":  # sent for each part of a playback, when it begins
            return
        playback = event["playback"]
        path = Path(playback["media_uri"].removeprefix("sound:"))
        number = self._numbers.get(playback["target_uri"].removeprefix("channel:"), "")
        self.by_caller[number].append((path.parent.name, path.name))

    def words(self, number: str, language: str | None = None) -> list[str]:
        """The prompts this caller was played, all of them or those of one language."""
        return [name for spoken_in, name in self.by_caller[number] if language in (None, spoken_in)]

    async def wait_for(self, number: str, *prompts: str, timeout: float = 15.0) -> None:
        """Until these were played to this caller, in this order (others may come between).

        Raises:
            TimeoutError: with what was played.
        """
        deadline = time.monotonic() + timeout
        while not _in_order(prompts, self.words(number)):
            self._changed.clear()
            try:
                async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                    await self._changed.wait()
            except TimeoutError:
                raise TimeoutError(
                    f"{number} was not played {prompts} in {timeout} s but {self.words(number)}"
                ) from None


def _in_order(wanted: Sequence[str], heard: Sequence[str]) -> bool:
    rest = iter(heard)
    return all(prompt in rest for prompt in wanted)
