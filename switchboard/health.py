"""Whether each part of the house works, asked of the part itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from switchboard.house import House


async def check_health(house: House) -> dict[str, tuple[bool, str, str]]:
    """Each part by name: whether it works, and in words. Used by the board and by ``/healthz``."""
    parts = {
        "redis": _say(await _works(house.engine.now_ms()), "排队"),
        "database": _say(await _works(house.records.ping()), "数据库"),
    }
    if house.config.asterisk != "none":  # switched off is no fault
        parts["asterisk"] = _say(bool(house.ari and house.ari.connected), "电话")
    if house.rooms is not None:  # switched off is no fault
        parts["video"] = _say(house.rooms.works(), "视频")
    if broken := house.rules.broken:
        parts["rules"] = (
            False,
            f"已发布的规则无法使用，暂用内置版本：{broken[0]}",
            f"published rules unusable: {broken[0]}",
        )
    if house.no_telephony:
        parts["asterisk"] = (False, "没有电话服务，网页可用", house.no_telephony)
    return parts


async def _works(probe: Awaitable[Any]) -> bool:
    try:
        async with asyncio.timeout(2):
            await probe
    except Exception:
        return False
    return True


def _say(ok: bool, part: str) -> tuple[bool, str, str]:
    return (True, f"{part}正常", "works") if ok else (False, f"{part}中断", "does not answer")
