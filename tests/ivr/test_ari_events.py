"""Events: what Asterisk says becomes a value, whatever it says."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ivr.ari.events import (
    ChannelDtmfReceived,
    ChannelTransfer,
    Dial,
    EndpointStateChange,
    Event,
    StasisStart,
    UnknownEvent,
    parse_event,
    to_ms,
)

CHANNEL: dict[str, Any] = {
    "id": "c-1",
    "protocol_id": "x",
    "name": "PJSIP/trunk-1",
    "state": "Up",
    "caller": {"name": "", "number": "13800138000"},
    "connected": {"name": "", "number": ""},
    "accountcode": "",
    "dialplan": {"context": "from-trunk", "exten": "12348", "priority": 2, "app_name": "", "app_data": ""},
    "creationtime": "2026-11-22T18:08:55.259+0000",
    "language": "zh",
}


def raw(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "application": "a", "timestamp": "2026-11-22T18:08:55.259+0800", **fields}


def test_a_start_carries_the_channel_and_the_arguments() -> None:
    event = parse_event(raw("StasisStart", args=["call", "12348"], channel=CHANNEL))
    assert isinstance(event, StasisStart)
    assert event.args == ("call", "12348")
    assert event.channel.caller.number == "13800138000"
    assert event.channel.dialplan.exten == "12348"
    assert event.channel.tenantid is None
    assert event.replace_channel is None
    assert event.subjects() == ["c-1"]


def test_times_are_milliseconds_since_1970() -> None:
    assert to_ms("1970-01-01T08:00:00.001+0800") == 1
    assert parse_event(raw("ChannelUnhold", channel=CHANNEL)).at_ms == 1795342135259


def test_unknown_fields_are_ignored() -> None:
    event = parse_event(
        raw("ChannelDtmfReceived", digit="5", duration_ms=100, channel=CHANNEL | {"new": 1}, newer=[])
    )
    assert isinstance(event, ChannelDtmfReceived)
    assert event.digit == "5"


def test_an_unknown_event_is_kept_as_it_is() -> None:
    event = parse_event(raw("ChannelTeleported", where="there"))
    assert isinstance(event, UnknownEvent)
    assert event.type == "ChannelTeleported"
    assert event.raw["where"] == "there"
    assert event.subjects() == []


def test_a_known_event_that_lacks_something_is_unknown_and_no_error() -> None:
    assert isinstance(parse_event(raw("StasisStart", args=[])), UnknownEvent)
    assert isinstance(parse_event(raw("StasisStart", args=None, channel=CHANNEL)), UnknownEvent)


def test_the_subjects_are_all_things_an_event_is_about() -> None:
    other = CHANNEL | {"id": "c-2"}
    dial = parse_event(raw("Dial", caller=other, peer=CHANNEL, dialstatus="ANSWER"))
    assert isinstance(dial, Dial)
    assert sorted(dial.subjects()) == ["c-1", "c-2"]
    phone = {"technology": "PJSIP", "resource": "v001", "state": "online", "channel_ids": []}
    change = parse_event(raw("EndpointStateChange", endpoint=phone))
    assert isinstance(change, EndpointStateChange)
    assert change.subjects() == ["PJSIP/v001"]
    transfer = parse_event(
        raw(
            "ChannelTransfer",
            refer_to={"requested_destination": {"destination": "x"}, "connected_channel": other},
            referred_by={"source_channel": CHANNEL},
        )
    )
    assert isinstance(transfer, ChannelTransfer)
    assert sorted(transfer.subjects()) == ["c-1", "c-2"]


names = st.sampled_from(
    ["channel", "id", "args", "peer", "playback", "endpoint", "refer_to", "referred_by", "timestamp"]
)
json = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=5,
)
kinds = st.sampled_from(
    ["StasisStart", "Dial", "PlaybackFinished", "EndpointStateChange", "ChannelTransfer", "?"]
)


@given(kinds, st.dictionaries(names, json))
def test_no_frame_whatever_it_holds_raises(kind: str, fields: dict[str, Any]) -> None:
    assert isinstance(parse_event({"type": kind, **fields}), Event)
