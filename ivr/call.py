"""One caller on the line: the channel, the keys pressed and not yet used, and the end of it.

A hang-up is not an event to be handled at every step. It cancels the coroutine that lives inside ``while_connected``
and comes out of it as ``CallerLeft``, so a call is written as if nobody ever hung up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

import structlog

from ivr.ari.channel import Channel
from ivr.ari.client import Ari, Reconciled
from ivr.ari.events import (
    ChannelDestroyed,
    ChannelDtmfReceived,
    ChannelHangupRequest,
    Event,
    StasisEnd,
    StasisStart,
)
from ivr.errors import CallerLeft, FaxCalled, IvrError
from ivr.prompts.catalogue import PromptSet

log = structlog.get_logger(__name__)

MOST_KEYS_AHEAD = 32
LEFT_S = 0.3


class Line:
    """A channel in our application, watched from the moment this is made; hung up when its block is left.

    ``gone`` is done once the channel has gone and gives Asterisk's hang-up cause (Q.850 number, 0 when unknown);
    ``entered`` is set once a channel that we originated was answered and came into the application.
    """

    def __init__(self, ari: Ari, channel: Channel) -> None:
        self.ari = ari
        self.channel = channel
        self.entered = asyncio.Event()
        self.fax = False
        self._left: asyncio.TimerHandle | None = None
        self.gone: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._events = ari.follow(channel.id)
        self._keys: deque[str] = deque(maxlen=MOST_KEYS_AHEAD)
        self._key_pressed = asyncio.Event()
        self._pump = asyncio.create_task(self._read(), name=f"line {channel.id}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.gone.done():
            await asyncio.shield(self.channel.hangup())
        await self.let_go()

    async def let_go(self) -> None:
        """Stop watching; the channel stays as it is."""
        self._events.close()
        self._pump.cancel()
        if self._left:
            self._left.cancel()
        await asyncio.gather(self._pump, return_exceptions=True)
        self.mark_gone(0)

    async def part(self) -> None:
        """The talk on this line is over: it is hung up."""
        if not self.gone.done():
            await self.channel.hangup()

    def mark_gone(self, cause: int) -> None:
        """The channel is no more, whoever says so (its own event, or a reconcile that missed it)."""
        if not self.gone.done():
            self.gone.set_result(cause)

    async def key(self) -> str:
        """The next key: one pressed earlier and not used yet, or the next to come."""
        while not self._keys:
            self._key_pressed.clear()
            await self._key_pressed.wait()
        return self._keys.popleft()

    def put_back(self, key: str) -> None:
        """A key that was taken and is meant for the next question."""
        self._keys.appendleft(key)
        self._key_pressed.set()

    def forget_keys(self) -> None:
        self._keys.clear()

    async def _read(self) -> None:
        try:
            async for event in self._events:
                self._take(event)
        except IvrError as error:  # nobody tells us any more: for this call that is the end of the line
            log.warning("line lost", code=error.code)
            self.mark_gone(0)

    def _take(self, event: Event) -> None:
        match event:
            case ChannelDtmfReceived():
                self._keys.append(event.digit)
                self._key_pressed.set()
            case StasisStart() if "fax" in event.args[:1]:
                self.fax = True
                self.mark_gone(0)
            case StasisStart():
                self.entered.set()
            case ChannelHangupRequest():
                self.mark_gone(event.cause or 0)
            case ChannelDestroyed():
                self.mark_gone(event.cause)
            case Reconciled():
                if event.restarted or self.channel.id not in event.channels:
                    self.mark_gone(0)
            case StasisEnd():
                # Hung up, nearly always, and that was said before. Else the dialplan has it: a fax comes back at once.
                self._left = asyncio.get_running_loop().call_later(LEFT_S, self.mark_gone, 0)
            case _:
                pass


class Call(Line):
    """The caller's line, with the prompts and the language of the conversation."""

    def __init__(self, ari: Ari, channel: Channel, prompts: PromptSet, language: str = "zh") -> None:
        super().__init__(ari, channel)
        self.prompts = prompts
        self.language = language

    def while_connected(self) -> WhileThere:
        """``async with``: cancelled at hang-up, leaving as ``CallerLeft`` (compare ``asyncio.timeout``)."""
        return WhileThere(self.gone, lambda cause: FaxCalled() if self.fax else CallerLeft(cause))


class WhileThere:
    """``async with``: cancelled as soon as ``gone`` has a result, leaving as the error that ``left`` makes of it."""

    def __init__(self, gone: asyncio.Future[int], left: Callable[[int], CallerLeft] = CallerLeft) -> None:
        self._gone = gone
        self._left = left
        self._fired = False

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("while_connected belongs into a task")
        self._task = task
        self._cancelling = task.cancelling()
        self._gone.add_done_callback(self._fire)

    def _fire(self, _: asyncio.Future[int]) -> None:
        self._fired = True
        self._task.cancel()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gone.remove_done_callback(self._fire)
        if not self._fired:
            return
        ours = self._task.uncancel() <= self._cancelling
        if ours and (kind is None or issubclass(kind, asyncio.CancelledError)):
            raise self._left(self._gone.result()) from error
