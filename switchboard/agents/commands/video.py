"""Lifting a call to video."""

from __future__ import annotations

from typing import TYPE_CHECKING

from switchboard.agents.commands.group import Answer, Group, Refused
from switchboard.agents.commands.talking import OfContact, my_contact
from switchboard.errors import RecordsAway
from switchboard.visits.lift import lift
from video.errors import VideoError

if TYPE_CHECKING:
    from switchboard.agents.desk import Desk

commands = Group(
    {
        "no_video": ("视频服务暂时不可用，通话继续", "Video is not available now; your call goes on"),
        "not_for_video": (
            "只有接通后的电话可以转为视频",
            "Only a call in which you talk can become a video call",
        ),
    }
)


@commands.on("invite_video", OfContact)
async def invite_video(desk: Desk, command: OfContact) -> Answer:
    """A link for the caller; asking again makes a new one."""
    contact = my_contact(desk, command)
    live = desk.house.live.contact(contact["id"])
    if (
        live is None
        or live.talk is None
        or live.talk.lead.agent != desk.agent.id
        or contact["stage"] != "talking"
    ):
        raise Refused("not_for_video")
    if desk.house.rooms is None:
        raise Refused("no_video")
    try:
        link = await (await lift(desk.house, live)).invite(desk.agent.id)
    except (RecordsAway, VideoError):
        raise Refused("no_video") from None
    return {"link": link}


@commands.on("end_video", OfContact)
async def end_video(desk: Desk, command: OfContact) -> None:
    """The room ends, the telephone goes on."""
    contact = my_contact(desk, command)
    live = desk.house.live.contact(contact["id"])
    if live is not None and live.lift is not None and live.agent == desk.agent.id:
        await live.lift.close()
        desk.house.desks.video(live)
