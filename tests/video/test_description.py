"""Offers: every one of them ends in an answer or in an error of ours."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from aiortc import sdp
from hypothesis import given, settings
from hypothesis import strategies as st

from video.answers import Published, Received, Transport, write_answer
from video.description import LINES_MAX, parse_offer, publishable, refuse_data, usable
from video.errors import DataChannelRefused, DescriptionRefused, NoCommonCodec

OFFER = (Path(__file__).parent / "offers" / "chromium.sdp").read_text().replace("\n", "\r\n")
OURS = Transport("ours", "a" * 32, ":".join(["AB"] * 32), ("a=candidate:1 1 udp 1 127.0.0.1 9 typ host",))


def test_an_offer_of_chromium_is_read() -> None:
    offer = parse_offer(OFFER)
    assert [(line.kind, line.direction) for line in offer.lines][:2] == [
        ("audio", "sendonly"),
        ("video", "sendonly"),
    ]
    assert publishable(offer.lines[0]).name == "OPUS"
    picture = publishable(offer.lines[1])
    assert picture.name == "VP8"
    assert picture.rtx
    assert offer.lines[1].ssrc
    assert offer.lines[1].rtx_ssrc
    assert len(offer.fingerprints) == 1


def test_another_implementation_reads_our_answer() -> None:
    offer = parse_offer(OFFER)
    sending = {line.mid: Published(line.mid, publishable(line)) for line in offer.lines if line.sends}
    receiving = {}
    for line in offer.lines:
        if line.receives:
            codec = usable(line, "OPUS" if line.kind == "audio" else "VP8")
            assert codec is not None
            receiving[line.mid] = Received(line.mid, (codec,), 5, 6 if line.kind == "video" else 0, "seat-0")
    answer = sdp.SessionDescription.parse(write_answer(offer, OURS, sending, receiving, 1))
    assert [one.rtp.muxId for one in answer.media] == [line.mid for line in offer.lines]
    assert {one.direction for one in answer.media} == {"recvonly", "sendonly"}
    assert all(one.dtls is not None and one.dtls.role == "server" for one in answer.media)
    video = next(one for one in answer.media if one.kind == "video" and one.direction == "sendonly")
    assert [one.ssrc for one in video.ssrc] == [5, 6]


def test_the_codec_is_one_that_all_can_show() -> None:
    line = parse_offer(OFFER).lines[1]
    assert publishable(line, lambda codec: codec == "H264").name == "H264"
    with pytest.raises(NoCommonCodec) as refused:
        publishable(line, lambda codec: False)
    assert refused.value.code == "video.codec"
    assert refused.value.zh
    assert refused.value.en


def test_a_data_channel_is_refused() -> None:
    data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:9\r\na=sctp-port:5000\r\n"
    with pytest.raises(DataChannelRefused):
        refuse_data(parse_offer(OFFER + data))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("v=0", "v=1"),
        ("a=ice-ufrag:", "a=ice-nothing:"),
        ("a=fingerprint:sha-256 ", "a=fingerprint:md5 "),
        ("a=fingerprint:sha-256 ", "a=fingerprint:sha-256 zz:"),
        ("a=setup:actpass", "a=setup:passive"),
        ("a=rtcp-mux\r\n", ""),
        ("a=mid:", "a=mod:"),
        ("a=mid:1", "a=mid:0"),
        ("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
        ("m=audio", "m=image"),
        ("m=audio 9", "m=audio ninety"),
    ],
)
def test_an_offer_that_lacks_something_is_refused(old: str, new: str) -> None:
    assert old in OFFER
    with pytest.raises(DescriptionRefused):
        parse_offer(OFFER.replace(old, new))


@pytest.mark.parametrize("rubbish", [None, 5, "", "v=0", "v=0\r\n" * 200_000, b"v=0", {"v": 0}])
def test_what_is_no_offer_is_refused(rubbish: object) -> None:
    with pytest.raises(DescriptionRefused):
        parse_offer(rubbish)


def test_an_offer_has_a_limit_of_lines() -> None:
    head, _, tail = OFFER.partition("m=audio")
    one = "m=audio" + tail.partition("m=")[0]
    with pytest.raises(DescriptionRefused):
        parse_offer(head + one * (LINES_MAX + 1))


@settings(max_examples=300)
@given(st.integers(0, 2**32), st.integers(1, 12))
def test_an_offer_changed_anywhere_is_answered_or_refused(seed: int, changes: int) -> None:
    chance = random.Random(seed)
    lines = OFFER.split("\r\n")
    for _ in range(changes):
        at = chance.randrange(len(lines))
        match chance.randrange(5):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, chance.choice(lines))
            case 2:
                cut = chance.randrange(len(lines[at]) + 1)
                lines[at] = (
                    lines[at][:cut]
                    + chance.choice(["", "9" * 30, " ", ":", "\0", "٣", "-1", "/"])
                    + lines[at][cut:]
                )
            case 3:
                lines[at] = lines[at][: chance.randrange(len(lines[at]) + 1)]
            case _:
                words = lines[at].split(" ")
                words[chance.randrange(len(words))] = chance.choice(["", "x", "65536", "0", "a=mid:0"])
                lines[at] = " ".join(words)
        if not lines:
            break
    _answer_or_refuse("\r\n".join(lines))


@given(st.text(max_size=400))
def test_any_text_is_answered_or_refused(text: str) -> None:
    _answer_or_refuse("v=0\r\n" + text)


def _answer_or_refuse(text: str) -> None:
    try:
        offer = parse_offer(text)
        sending = {
            line.mid: Published(line.mid, publishable(line))
            for line in offer.lines
            if line.sends and line.kind != "application"
        }
    except DescriptionRefused:
        return
    answer = write_answer(offer, OURS, sending, {}, 1)
    assert answer.count("\r\nm=") == len(offer.lines)
    assert all(line.isprintable() for line in answer.split("\r\n"))
