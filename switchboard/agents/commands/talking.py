"""In the talk and after it: hang up, hand over to another hotline, recording, outcome."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pydantic import Field

from switchboard.agents.commands.group import Command, Group, Refused

if TYPE_CHECKING:
    from switchboard.agents.desk import Desk

EXTENSION_MS = 60_000
DISPOSITIONS = ("advised", "legal_aid", "mediation", "notary", "referred", "call_back", "no_need")

commands = Group(
    {
        "bad_outcome": ("请选择事项和处理结果", "Choose a matter and an outcome"),
        "no_such_hotline": ("不能转接到这个号码", "This call cannot be handed there"),
        "third_party_here": (
            "已有另一条热线在通话中或正在接通",
            "Another hotline is in the talk or being rung",
        ),
        "nobody_rings": ("没有正在呼叫的热线", "No other hotline is being rung"),
        "extended_already": ("整理时间只能延长一次", "The time can be extended once only"),
        "not_recorded": ("本次通话没有录音", "This talk is not being recorded"),
    }
)


class OfContact(Command):
    contact: str | None = Field(None, max_length=64)


class HandOver(OfContact):
    to: str | None = Field(None, max_length=40)
    three_way: bool = False


class Outcome(OfContact):
    matter: str | None = Field(None, max_length=40)
    disposition: str | None = Field(None, max_length=40)
    note: str = Field("", max_length=4000)
    then: str = Field("ready", pattern="^(ready|pause)$")


def my_contact(desk: Desk, command: OfContact) -> dict[str, Any]:
    """The contact on the desk, if the command means that one. Raises ``Refused`` (not_yours)."""
    if not desk.contact or desk.contact["id"] != command.contact:
        raise Refused("not_yours")
    return desk.contact


@commands.on("hang_up", OfContact)
async def hang_up(desk: Desk, command: OfContact) -> None:
    await desk.house.hang_up_leg(my_contact(desk, command)["id"], desk.agent.id)


@commands.on("hand_over", HandOver)
async def hand_over(desk: Desk, command: HandOver) -> None:
    contact = my_contact(desk, command)
    if why := desk.house.hand_over(contact["id"], command.to or "", three_way=command.three_way):
        raise Refused(why)


@commands.on("call_off", OfContact)
async def call_off(desk: Desk, command: OfContact) -> None:
    if why := desk.house.call_off(my_contact(desk, command)["id"]):
        raise Refused(why)


@commands.on("pause_recording", OfContact)
async def pause_recording(desk: Desk, command: OfContact) -> None:
    if why := await desk.house.pause_recording(my_contact(desk, command)["id"], paused=True):
        raise Refused(why)


@commands.on("resume_recording", OfContact)
async def resume_recording(desk: Desk, command: OfContact) -> None:
    if why := await desk.house.pause_recording(my_contact(desk, command)["id"], paused=False):
        raise Refused(why)


@commands.on("wrap_up", Outcome)
async def wrap_up(desk: Desk, command: Outcome) -> None:
    contact = my_contact(desk, command)
    if contact["stage"] != "wrap_up":
        raise Refused("not_yours")
    if command.disposition not in DISPOSITIONS or not desk.house.knows_matter(command.matter):
        raise Refused("bad_outcome")
    stored = desk.store_outcome(contact["id"], command.matter, command.disposition, command.note)
    ready = command.then == "ready"
    free = desk.house.desks.ready(desk) if ready else desk.house.engine.pause(desk.seat, "break")
    await asyncio.gather(stored, free)  # the next caller does not wait for the disk, the answer does


@commands.on("extend", OfContact)
async def extend(desk: Desk, command: OfContact) -> None:
    contact = my_contact(desk, command)
    if contact["stage"] != "wrap_up":
        raise Refused("not_yours")
    if contact["extended"]:
        raise Refused("extended_already")
    contact["extended"] = True
    await desk.house.engine.extend_wrap_up(desk.seat, EXTENSION_MS)
