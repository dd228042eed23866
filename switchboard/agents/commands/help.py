"""A volunteer in a contact calls for a supervisor, or needs none any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from switchboard.agents.commands.group import Command, Group, Refused
from switchboard.agents.commands.talking import OfContact, my_contact
from switchboard.errors import RecordsAway

if TYPE_CHECKING:
    from switchboard.agents.desk import Desk

commands = Group(
    {
        "records_away": (
            "记录系统暂时不可用，呼叫没有发出，请稍候再试或直接联系督导",
            "The records are away and the call for help was not sent: try again, or reach the supervisor otherwise",
        )
    }
)


@commands.on("call_help", OfContact)
async def call_help(desk: Desk, command: OfContact) -> None:
    contact = my_contact(desk, command)
    try:
        await desk.house.duty.ask_help(desk.agent.id, desk.agent.team, contact["id"])
    except RecordsAway:
        raise Refused("records_away") from None


@commands.on("help_over", Command)
async def help_over(desk: Desk, _: Command) -> None:
    try:
        await desk.house.duty.take_help_back(desk.agent.id)
    except RecordsAway:
        raise Refused("records_away") from None


@commands.on_welcome
async def welcome(desk: Desk) -> dict[str, Any]:
    """``help``: the volunteer's call for help; ``shifts``: those that come."""
    return await desk.house.duty.welcome(desk.agent.id)
