"""A volunteer's own telephone: set, told whether it is set, taken away. The number itself is never sent back."""

from __future__ import annotations

from pydantic import BaseModel, Field

from ivr.dialling import own_number
from ivr.errors import NumberRefused
from switchboard.errors import InvalidInput, NotFound, PhoneTaken, WeakPin
from switchboard.web.routes import VOLUNTEERS, Call, Routes
from switchboard.web.schemas import Input

routes = Routes()


class OwnPhone(BaseModel):
    """``number`` and ``pin`` say whether there is one; ``service_number`` is what to call to serve without a desk."""

    number: bool
    pin: bool
    service_number: str | None


class OwnPhoneInput(Input):
    number: str = Field(
        min_length=3, max_length=32, description="a mobile or landline number of this country"
    )
    pin: str | None = Field(None, pattern=r"^[0-9]{6,12}$", description="6 to 12 digits; null: as before")


@routes.add(
    "GET",
    "/api/own-phone",
    roles=VOLUNTEERS,
    summary="Whether the volunteer has registered a telephone of their own",
    answer=OwnPhone,
)
async def own_phone(call: Call) -> OwnPhone:
    return await _shown(call)


async def _shown(call: Call) -> OwnPhone:
    phone = await call.house.records.phone_of(_agent(call))
    return OwnPhone(
        number=phone is not None,
        pin=phone is not None and phone.has_pin,
        service_number=call.house.service_number,
    )


@routes.add(
    "POST",
    "/api/own-phone",
    roles=VOLUNTEERS,
    summary="Register or change the volunteer's own telephone",
    body=OwnPhoneInput,
    answer=OwnPhone,
)
async def set_own_phone(call: Call) -> OwnPhone:
    agent, records = _agent(call), call.house.records
    try:
        number = own_number(call.body.number)
    except NumberRefused:
        raise InvalidInput(fields=("number",)) from None
    try:
        await records.phones.store(agent, number, call.body.pin)
    except WeakPin:
        raise InvalidInput(fields=("pin",)) from None
    except PhoneTaken:  # the same words as for a number that cannot be: nobody learns whose number is whose
        await records.audit(call.account.name, "phone.set", agent, outcome="refused")
        raise InvalidInput(fields=("number",)) from None
    await records.audit(call.account.name, "phone.set", agent)
    return await _shown(call)


@routes.add(
    "DELETE", "/api/own-phone", roles=VOLUNTEERS, summary="Forget the volunteer's own telephone", status=204
)
async def forget_own_phone(call: Call) -> None:
    agent = _agent(call)
    if await call.house.records.phones.remove(agent):
        await call.house.records.audit(call.account.name, "phone.removed", agent)


def _agent(call: Call) -> str:
    if call.account.agent_id is None:
        raise NotFound
    return call.account.agent_id
