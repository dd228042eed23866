"""Being there: ready, pause, sign out; and the answer to a reservation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from switchboard.agents.commands.group import Command, Group, Refused

if TYPE_CHECKING:
    from switchboard.agents.desk import Desk

PAUSE_REASONS = ("break", "meal", "meeting", "training", "other", "standby")

commands = Group({"bad_reason": ("请选择列表中的原因", "Choose a reason from the list")})


class Pause(Command):
    reason: str | None = Field(None, max_length=40)


class Answering(Command):
    reservation: int | None = None
    reason: str | None = Field(None, max_length=40)


@commands.on("ready", Command)
async def ready(desk: Desk, _: Command) -> None:
    await desk.house.desks.ready(desk)


@commands.on("pause", Pause)
async def pause(desk: Desk, command: Pause) -> None:
    if command.reason is None or command.reason not in desk.pause_reasons():
        raise Refused("bad_reason")
    await desk.house.engine.pause(desk.seat, command.reason)


@commands.on("sign_out", Command)
async def sign_out(desk: Desk, _: Command) -> None:
    await desk.house.desks.sign_out(desk)


@commands.on("seen", Answering)
async def seen(desk: Desk, command: Answering) -> None:
    lease = await desk.house.engine.acknowledge(_reserved(desk, command))
    if lease is None:
        raise Refused("too_late")
    desk.seen(lease.expires_ms)


@commands.on("accept", Answering)
async def accept(desk: Desk, command: Answering) -> None:
    if not await desk.house.engine.accept(_reserved(desk, command)):
        raise Refused("too_late")


@commands.on("reject", Answering)
async def reject(desk: Desk, command: Answering) -> None:
    reservation = _reserved(desk, command)
    if not await desk.house.engine.reject(reservation, command.reason or "declined", seat_to="available"):
        raise Refused("too_late")


def _reserved(desk: Desk, command: Answering) -> int:
    if command.reservation is None or not desk.reservation or desk.reservation["id"] != command.reservation:
        raise Refused("too_late")
    return command.reservation
