"""Names of phones."""

from __future__ import annotations

import pytest

from ivr import softphones
from ivr.ari.client import Ari, AriSettings
from ivr.errors import UnfitName

UNFIT = [
    "trunk",
    "trunk-north",
    "13800138000",
    "V001",
    "a/b",
    "a;b",
    "",
    "a" * 41,
    "a@trunk",
    "a\n",
    "v001,v002",
    "Local/x",
    "王",
]


@pytest.mark.parametrize("name", UNFIT)
async def test_no_phone_may_be_named_so_that_it_could_be_taken_for_another(name: str) -> None:
    with pytest.raises(UnfitName):
        softphones.dial_string(name)
    ari = Ari(AriSettings("http://127.0.0.1:1", "u", "p"))
    with pytest.raises(UnfitName):
        await softphones.provision(ari, name, "right")
    with pytest.raises(UnfitName):
        await softphones.remove(ari, name)


async def test_a_phone_without_a_password_is_refused() -> None:
    with pytest.raises(UnfitName):
        await softphones.provision(Ari(AriSettings("http://127.0.0.1:1", "u", "p")), "v001", "")


@pytest.mark.parametrize("name", ["v001", "demo-17", "a_b", "a" * 40])
def test_a_volunteer_is_called_by_id(name: str) -> None:
    assert softphones.dial_string(name) == f"PJSIP/{name}"
