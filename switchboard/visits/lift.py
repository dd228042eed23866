"""A call lifted to video: the caller is sent a link, opens it on a phone or computer, and is seen.

The telephone stays as it is all the time. While the caller's picture and voice come through the room the desk silences
its softphone, so that nobody is heard twice; as soon as they do not, the telephone is heard again. The link opens one
room once; a new link makes the one before void.
"""

from __future__ import annotations

import asyncio
import base64
import io
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

import qrcode
import qrcode.image.svg
import structlog

from switchboard.errors import RecordsAway
from switchboard.sending import ShortText
from switchboard.times import now_ms
from switchboard.visits.meeting import new_room
from switchboard.visits.rooms import Pass, Rooms
from video.tokens import Role

if TYPE_CHECKING:
    from switchboard.contacts.contact import Contact
    from switchboard.house import House

log = structlog.get_logger(__name__)

CALLER = "caller"
"""The caller's id in the room."""
LOOK_S = 0.25

State = Literal["invited", "up", "lost"]


class Lift:
    """The room of one call. ``state``: ``invited`` until the caller was seen, ``lost`` when that is over."""

    def __init__(self, contact: Contact, rooms: Rooms, room: str) -> None:
        self.room = room
        self.state: State = "invited"
        self.link: dict[str, Any] | None = None
        self._contact = contact
        self._rooms = rooms
        self._watch: asyncio.Task[None] | None = None
        self._passes: dict[str, Pass] = {}

    async def open(self) -> None:
        """Raises RecordsAway, TooManyRooms."""
        await self._rooms.open(self.room, self._contact.id)
        self._contact.lift = self
        self._watch = asyncio.create_task(self._follow(), name=f"lift {self._contact.id}")

    async def invite(self, by: str) -> dict[str, Any]:
        """A new link; those before are void. ``sent``: whether it went to the caller's own phone."""
        house = self._contact.house
        token = await house.records.rooms.make_link(
            self.room, self._contact.id, by, at_ms=now_ms(), lasts_ms=house.config.link_s * 1000
        )
        url = f"{house.public_url}/v/{token}"
        self.link = {
            "url": url,
            "qr": qr_of(url),
            "expires": now_ms() + house.config.link_s * 1000,
            "sent": await self._send(url),
        }
        self._contact.note("video", how="invited", agent=by, room=self.room)
        self.tell()
        return self.link

    async def _send(self, url: str) -> bool:
        house, to = self._contact.house, self._contact.caller
        if house.sender is None or to is None or self._contact.demo:
            return False
        text = f"【12348】志愿者邀请您视频通话，请点开链接（仅限一次）：{url} Video call with your volunteer."
        try:
            await house.sender.send(ShortText(to, text, url))
        except OSError as error:
            log.error("link not sent", contact=self._contact.id, error=type(error).__name__)
            return False
        return True

    async def close(self) -> None:
        """The talk is over: so is the room, and its link."""
        if self._watch:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        if self._contact.lift is self:
            self._contact.lift = None
        if not self._contact.house.stopping:
            self._contact.note("video", how="ended", room=self.room)
            await asyncio.shield(self._rooms.end(self.room, "over"))
            if self._contact.house.telephones is not None:
                await self._contact.house.telephones.over(self.room)

    def frame(self, agent: str) -> dict[str, Any] | None:
        """``video`` of this volunteer's contact; only who leads the talk is in the room."""
        if agent != self._contact.agent:
            return None
        if agent not in self._passes:
            name = self._contact.house.name_of(agent)["name"]
            self._passes[agent] = self._rooms.pass_for(self.room, agent, name, Role.HOST)
        return {"kind": "lift", "state": self.state, "link": self.link, **self._passes[agent].frame()}

    def pass_of_caller(self) -> Pass:
        return self._rooms.pass_for(self.room, CALLER, "来电者 Caller", Role.PARTY)

    def tell(self) -> None:
        self._contact.house.desks.video(self._contact)

    async def _follow(self) -> None:
        """Whether the caller is seen and heard in the room, by the room itself."""
        while True:
            up = self._rooms.is_here(self.room, CALLER) and self._rooms.media_flows(self.room, CALLER)
            state: State = "up" if up else ("lost" if self.state != "invited" else "invited")
            if state != self.state:
                self.state = state
                self._contact.note("video", how=state, room=self.room)
                if state == "up":
                    self.link = None
                self.tell()
            await asyncio.sleep(LOOK_S)


async def lift(house: House, contact: Contact) -> Lift:
    """The room of this call, open: the one it has, or a new one. Raises RecordsAway, TooManyRooms, RuntimeError."""
    if contact.lift is not None:
        return contact.lift
    if house.rooms is None:
        raise RuntimeError("a room without video")
    made = Lift(contact, house.rooms, new_room(contact.id))
    await made.open()
    return made


async def lifted_again(contact: Contact) -> None:
    """After a restart: the room of this call is still open, and both come back into it."""
    rooms = contact.house.rooms
    room = rooms.of_contact(contact.id) if rooms else None
    if rooms is not None and room is not None and contact.lift is None:
        with suppress(RecordsAway):
            await Lift(contact, rooms, room).open()


def qr_of(url: str) -> str:
    """The link as a picture that any phone reads: a ``data:`` address of an SVG."""
    code = qrcode.QRCode(border=4, error_correction=qrcode.ERROR_CORRECT_M)
    code.add_data(url)
    made = io.BytesIO()
    code.make_image(image_factory=qrcode.image.svg.SvgPathImage).save(made)
    return "data:image/svg+xml;base64," + base64.b64encode(made.getvalue()).decode()
