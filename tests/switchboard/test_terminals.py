"""Terminals and links: each secret works for one thing, in its time, once."""

from __future__ import annotations

import asyncio
import base64
import hmac
from hashlib import sha1

import pytest

from switchboard.config import load_config
from switchboard.errors import ConfigurationError, NameTaken
from switchboard.records import Records
from switchboard.records.rooms import OpenRoom, RoomEvent
from switchboard.records.terminal_reports import FRESH_MS, Health
from switchboard.records.terminals import CODE_MS, Terminal
from switchboard.visits.lift import qr_of
from switchboard.visits.relay import ice_servers

AT = 1_795_368_000_000
QINGSHAN = Terminal("t-1", "一号终端", "青山村法律服务室", "qingshan")


async def test_a_code_pairs_once_in_its_time_and_a_new_one_ends_the_older_token(records: Records) -> None:
    terminals = records.terminals
    await terminals.add(QINGSHAN, by="root", at_ms=AT)
    with pytest.raises(NameTaken):
        await terminals.add(QINGSHAN, by="root", at_ms=AT)
    assert await terminals.new_code("t-none", by="root", at_ms=AT) is None
    void = await terminals.new_code("t-1", by="root", at_ms=AT) or ""
    code = await terminals.new_code("t-1", by="root", at_ms=AT) or ""
    assert await terminals.pair(void, at_ms=AT) is None or void == code
    assert await terminals.pair(code, at_ms=AT + CODE_MS) is None
    found = await terminals.pair(code, at_ms=AT + 1)
    assert found is not None
    terminal, token = found
    assert (terminal.id, terminal.village, terminal.paired_ms) == ("t-1", QINGSHAN.village, AT + 1)
    assert await terminals.pair(code, at_ms=AT + 2) is None
    assert (await terminals.by_token(token, at_ms=AT + 3)) == terminal
    for wrong in ("", token[:-1], token + "x", "é" * 43):
        assert await terminals.by_token(wrong, at_ms=AT + 3) is None
    again = await terminals.new_code("t-1", by="root", at_ms=AT + 4) or ""
    anew = await terminals.pair(again, at_ms=AT + 5)
    assert anew is not None
    assert await terminals.by_token(token, at_ms=AT + 6) is None
    assert await terminals.disable("t-1", by="root", at_ms=AT + 7)
    assert await terminals.by_token(anew[1], at_ms=AT + 8) is None
    assert await records.verify_audit() > 0


async def test_a_report_takes_the_place_of_the_one_before_and_alerts_while_it_is_fresh(
    records: Records,
) -> None:
    reports = records.terminal_reports
    await records.terminals.add(QINGSHAN, by="root", at_ms=AT)
    await reports.put("t-1", Health(printer="paper_out", version="terminal-a.js"), at_ms=AT)
    (alert,) = await reports.alerts(at_ms=AT + 1)
    assert (alert.village, alert.health.troubles, alert.help) == (
        QINGSHAN.village,
        ("printer:paper_out",),
        None,
    )
    assert await reports.alerts(at_ms=AT + FRESH_MS + 1) == []
    await reports.put("t-1", Health(camera="ok", printer="none"), at_ms=AT + 2)
    assert await reports.alerts(at_ms=AT + 3) == []
    assert (await reports.all())["t-1"].at_ms == AT + 2
    with pytest.raises(ValueError, match="not how"):
        Health(camera="<script>")


async def test_a_call_for_help_at_a_terminal_is_one_until_it_is_over(records: Records) -> None:
    reports = records.terminal_reports
    await records.terminals.add(QINGSHAN, by="root", at_ms=AT)
    assert not await reports.seen("t-1", by="sun", at_ms=AT)
    first = await reports.ask_help("t-1", why="asked", at_ms=AT)
    assert await reports.ask_help("t-1", why="printer", at_ms=AT + 1) == first
    assert await reports.seen("t-1", by="sun", at_ms=AT + 2)
    assert await reports.seen("t-1", by="li", at_ms=AT + 3)
    await reports.put("t-1", Health(), at_ms=AT + 4)
    (alert,) = await reports.alerts(at_ms=AT + FRESH_MS * 9)
    assert alert.help is not None
    assert (alert.help.seen_by, alert.help.seen_ms) == ("sun", AT + 2)
    assert await reports.close("t-1", by="sun", at_ms=AT + 5)
    assert not await reports.close("t-1", by="sun", at_ms=AT + 6)
    assert await reports.alerts(at_ms=AT + 6) == []
    assert await records.verify_audit() > 0


async def test_a_link_is_used_by_exactly_one_and_a_new_one_ends_the_older(records: Records) -> None:
    rooms = records.rooms
    await rooms.opened(OpenRoom("c-1-a", "c-1", 2, AT))
    void = await rooms.make_link("c-1-a", "c-1", "v001", at_ms=AT, lasts_ms=1000)
    link = await rooms.make_link("c-1-a", "c-1", "v001", at_ms=AT + 1, lasts_ms=1000)
    found = [await rooms.link(one, at_ms=AT + 2) for one in (void, link, "x" * 32)]
    assert [one.state if one else None for one in found] == ["expired", "open", None]
    used = await asyncio.gather(*(rooms.use_link(link, at_ms=AT + 3) for _ in range(5)))
    assert sorted(used) == [False, False, False, False, True]
    late = await rooms.make_link("c-1-a", "c-1", "v001", at_ms=AT, lasts_ms=1000)
    assert not await rooms.use_link(late, at_ms=AT + 1000)


async def test_open_rooms_come_back_with_their_state_and_events_stay_in_order(records: Records) -> None:
    rooms = records.rooms
    await rooms.opened(OpenRoom("c-1-a", "c-1", 2, AT))
    await rooms.opened(OpenRoom("c-1-a", "c-1", 2, AT))
    await rooms.keep_state("c-1-a", {"v": 1})
    assert [(one.name, one.state) for one in await rooms.open_rooms()] == [("c-1-a", {"v": 1})]
    kinds = ["RoomOpened", "Entered", "Left"]
    await rooms.add([RoomEvent("c-1-a", AT, n, kind, {"n": n}) for n, kind in enumerate(kinds)])
    assert [one.kind for one in await rooms.events("c-1-a")] == kinds
    assert await rooms.count("c-1-a") == 3
    await rooms.ended("c-1-a", AT + 1, "over")
    assert await rooms.open_rooms() == []
    assert await rooms.of_contact("c-1") == ["c-1-a"]


def test_the_relays_password_is_what_coturn_computes_and_names_nobody() -> None:
    servers = ice_servers(["turn:relay.example:3478"], "shared", 3600, now_s=lambda: 1000.0)
    (server,) = servers("t-qingshan")
    until, _, who = server["username"].partition(":")
    assert (until, "qingshan" in who) == ("4600", False)
    signed = hmac.digest(b"shared", server["username"].encode(), sha1)
    assert server["credential"] == base64.b64encode(signed).decode()
    assert servers("another")[0]["username"] != server["username"]


def test_a_relay_needs_address_and_secret_and_video_needs_addresses() -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_config(video_turn_urls=("stun:public.example",), video_addresses=("a name",))
    text = "; ".join(refused.value.problems)
    assert "video_turn_urls and video_turn_secret belong together" in text
    assert "turn:host:port" in text
    assert "IP addresses" in text


def test_a_link_can_be_scanned_without_anything_from_outside() -> None:
    assert qr_of("https://12348.example/v/abc").startswith("data:image/svg+xml;base64,")
