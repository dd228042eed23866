"""Hold, consultation, three-way talk, transfer, and the directory of colleagues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from ivr.errors import AriError
from switchboard.agents.commands.group import Answer, Command, Group, Refused
from switchboard.agents.commands.talking import OfContact, my_contact
from switchboard.agents.tickets import note_of
from switchboard.contacts.colleagues import Wanted
from switchboard.records.tickets import MOST_NOTE

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from switchboard.agents.desk import Desk
    from switchboard.contacts.conversation import Conversation
    from switchboard.visits.meeting import Meeting

commands = Group(
    {
        "not_talking": ("现在还没有和来电者通话", "You are not talking to the caller"),
        "not_leading": ("这个来电由您的同事负责", "This caller is your colleague's"),
        "on_hold": ("来电者正在等待，请先恢复通话", "The caller is on hold; go back to the caller first"),
        "colleague_here": (
            "已有同事在通话中或正在呼叫，请先结束",
            "A colleague is in the talk or being asked; end that first",
        ),
        "no_colleague": ("没有同事在通话中", "No colleague is in the talk"),
        "colleague_left": ("这位同事已经离开，通话继续", "This colleague has just left; your talk goes on"),
        "colleague_busy": (
            "这位同事现在没有空，通话继续",
            "This colleague is not free now; your talk goes on",
        ),
        "nobody_free": ("现在没有人空闲，通话继续", "Nobody is free now; your talk goes on"),
        "nobody_serves": ("现在没有人值班处理这个事项", "Nobody on duty serves this matter"),
        "yourself": ("不能转给自己", "You cannot choose yourself"),
        "no_such_matter": ("请选择同事或事项", "Choose a colleague or a matter"),
        "not_for_messages": (
            "这个电话是我们打给来电者的，请先咨询同事再转接",
            "We called this caller: consult a colleague and let them take over",
        ),
        "line_away": ("电话系统暂时没有回应，请再试一次", "The telephone system did not answer; try again"),
    }
)


class Open(Command):
    open: bool


class Choice(OfContact):
    """``agent`` or ``matter``; with ``anyway`` also when nobody is free just now."""

    agent: str | None = Field(None, max_length=64)
    matter: str | None = Field(None, max_length=40)
    note: str = Field("", max_length=4000)
    anyway: bool = False


class Asking(Choice):
    three_way: bool = False


def _talk(desk: Desk, command: OfContact) -> Conversation:
    """The conversation by telephone that this volunteer leads. Raises ``Refused``."""
    contact = my_contact(desk, command)
    live = desk.house.live.contact(contact["id"])
    if live is None or live.talk is None or contact["stage"] != "talking":
        raise Refused("not_talking")
    if live.talk.lead.agent != desk.agent.id:
        raise Refused("not_leading")
    return live.talk


def _led(desk: Desk, command: OfContact) -> Conversation | Meeting:
    """The same, or the visit in whose room this volunteer is. Raises ``Refused``."""
    contact = my_contact(desk, command)
    live = desk.house.live.contact(contact["id"])
    if live is None or live.meeting is None:
        return _talk(desk, command)
    if contact["stage"] != "talking":
        raise Refused("not_talking")
    if live.meeting.lead.agent != desk.agent.id:
        raise Refused("not_leading")
    return live.meeting


async def _do(order: Awaitable[str | None]) -> None:
    try:
        why = await order
    except AriError as error:
        raise Refused("line_away") from error
    if why:
        raise Refused(why)


@commands.on("hold", OfContact)
async def hold(desk: Desk, command: OfContact) -> None:
    await _do(_led(desk, command).hold())


@commands.on("resume", OfContact)
async def resume(desk: Desk, command: OfContact) -> None:
    await _do(_led(desk, command).resume())


@commands.on("toggle", OfContact)
async def toggle(desk: Desk, command: OfContact) -> None:
    await _do(_talk(desk, command).toggle())


@commands.on("join", OfContact)
async def join(desk: Desk, command: OfContact) -> None:
    await _do(_talk(desk, command).join())


@commands.on("complete", OfContact)
async def complete(desk: Desk, command: OfContact) -> None:
    await _do(_talk(desk, command).complete())


@commands.on("give_up", OfContact)
async def give_up(desk: Desk, command: OfContact) -> None:
    await _do(_talk(desk, command).give_up())


@commands.on("ask_colleague", Asking)
async def ask_colleague(desk: Desk, command: Asking) -> None:
    talk = _talk(desk, command)
    if talk.busy:
        raise Refused(talk.busy)
    wanted = _wanted(desk, command)
    _somebody_free(desk, command, wanted, patient=False)
    note = await _note(desk, command)
    await _do(talk.ask(talk.lead, wanted, note, three_way=command.three_way))


@commands.on("transfer", Choice)
async def transfer(desk: Desk, command: Choice) -> None:
    talk = _led(desk, command)
    if desk.contact and desk.contact["card"]["medium"] not in ("call", "visit"):
        raise Refused("not_for_messages")
    if talk.busy:
        raise Refused(talk.busy)
    wanted = _wanted(desk, command)
    _somebody_free(desk, command, wanted, patient=command.anyway)
    await _do(talk.pass_on(wanted, await _note(desk, command)))


@commands.on("directory", Open)
async def directory(desk: Desk, command: Open) -> Answer:
    """The list now; while it is open, a ``directory`` frame at every change."""
    desk.directory_open = command.open
    return {"directory": desk.house.directory.of(desk.agent.id)} if command.open else None


async def _note(desk: Desk, command: Choice) -> str:
    """The word for the colleague, and what stands on the ticket so far."""
    ticket = await note_of(desk.house, command.contact or "", desk.agent.id)
    return "\n".join(filter(None, (command.note.strip(), ticket)))[:MOST_NOTE]


def _wanted(desk: Desk, command: Choice) -> Wanted:
    if command.agent == desk.agent.id:
        raise Refused("yourself")
    if command.agent is None and not desk.house.knows_matter(command.matter):
        raise Refused("no_such_matter")
    if command.matter is not None and not desk.house.knows_matter(command.matter):
        raise Refused("no_such_matter")
    return Wanted(command.agent, command.matter)


def _somebody_free(desk: Desk, command: Choice, wanted: Wanted, *, patient: bool) -> None:
    """Told before anybody is let go: whether somebody can take it now, and how long it would take otherwise."""
    house = desk.house
    if wanted.agent:
        colleague = house.desks.at(wanted.agent)
        if colleague is None or colleague.state["name"] == "offline":
            raise Refused("colleague_left")
        if colleague.state["name"] != "available" and not patient:
            raise Refused("colleague_busy", state=colleague.state["name"], reason=colleague.state["reason"])
        return
    live = house.live.contact(command.contact or "")
    row = house.directory.matter(wanted.matter or "", live.language if live else "zh", but=desk.agent.id)
    if row["on_duty"] == 0 and not patient:
        raise Refused("nobody_serves", **row)
    if row["free"] == 0 and not patient:
        raise Refused("nobody_free", **row)
