"""Messages and call-backs on the desk: call the caller, close, give back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from switchboard.agents.commands.group import Group, Refused
from switchboard.agents.commands.talking import DISPOSITIONS, OfContact, Outcome, wrap_up
from switchboard.agents.tickets import file_ticket

if TYPE_CHECKING:
    from switchboard.agents.desk import Desk
    from switchboard.contacts.contact import Contact

commands = Group(
    {
        "already_calling": ("正在拨打来电者的电话", "The caller is being called already"),
        "no_trunk": (
            "没有可以打出去的线路，请告诉管理员",
            "There is no line for calls to the outside; tell an administrator",
        ),
        "no_number": (
            "来电者没有留下可以拨打的号码，请听留言",
            "The caller left no number that can be called; listen to the message",
        ),
    }
)


class Return(OfContact):
    reason: str | None = Field(None, max_length=40)


def _my_message(desk: Desk, command: OfContact) -> Contact:
    """A message on this desk that nobody is being called for just now."""
    contact = desk.house.tasks.get(command.contact or "")
    if contact is None or contact.agent != desk.agent.id or contact.held is None:
        raise Refused("not_yours")
    if contact.stage in ("calling", "talking") or not contact.orders.empty():
        raise Refused("already_calling")
    return contact


@commands.on("call_message", OfContact)
async def call_message(desk: Desk, command: OfContact) -> None:
    contact = _my_message(desk, command)
    if not desk.house.calls_out or desk.house.ari is None or contact.demo:
        raise Refused("no_trunk")
    if desk.house.dialable(contact.caller) is None:
        raise Refused("no_number")
    if desk.state["name"] not in ("available", "paused"):
        raise Refused("busy")
    contact.orders.put_nowait("call")


@commands.on("finish_message", Outcome)
async def finish_message(desk: Desk, command: Outcome) -> None:
    """Closed without another call; after a talk it is the wrap-up of that talk."""
    if desk.contact and desk.contact["id"] == command.contact:
        matter = command.matter or (desk.contact["card"]["matter"] or {}).get("id")
        await wrap_up(desk, command.model_copy(update={"matter": matter}))
        return
    contact = _my_message(desk, command)
    if command.disposition not in DISPOSITIONS:
        raise Refused("bad_outcome")
    matter = command.matter or contact.matter
    await file_ticket(desk.house, contact.id, desk.agent.id, matter, command.disposition, command.note)
    contact.orders.put_nowait("finish")


@commands.on("return_message", Return)
async def return_message(desk: Desk, command: Return) -> None:
    desk.house.tasks.give_back(_my_message(desk, command), command.reason or "other")
