"""SDP: our answer to a page's offer. Only what the bridge does is written: one transport for all lines, one codec a
published line, transport-wide feedback on the way up, REMB on the way down (RFC 8829, RFC 9143)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from video.description import (
    LEVEL,
    MID,
    REPAIRED_RID,
    RID,
    SEND_TIME,
    TRANSPORT_WIDE,
    Codec,
    Direction,
    Line,
    Offer,
)


@dataclass(frozen=True, slots=True)
class Published:
    """Our answer to a line on which the page sends."""

    mid: str
    codec: Codec
    rids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Received:
    """Our answer to a line on which the page receives; the SSRCs are ours. ``stream`` is the seat: a face and its
    voice share one, so that they stay in step."""

    mid: str
    codecs: tuple[Codec, ...]
    ssrc: int
    rtx_ssrc: int
    stream: str


@dataclass(frozen=True, slots=True)
class Transport:
    """The bridge's side of the connection."""

    ufrag: str
    password: str
    fingerprint: str
    candidates: tuple[str, ...]


@dataclass(slots=True)
class Negotiated:
    """What both sides agreed so far, kept between offers."""

    version: int = 0
    remote_ufrag: str = ""
    published: dict[str, Published] = field(default_factory=dict)
    received: dict[str, Received] = field(default_factory=dict)


def write_answer(
    offer: Offer,
    transport: Transport,
    published: Mapping[str, Published],
    received: Mapping[str, Received],
    version: int,
) -> str:
    """The answer to an offer: one line for each of its lines; those in neither mapping are rejected."""
    taken = [line.mid for line in offer.lines if line.mid in published or line.mid in received]
    out = ["v=0", f"o=- 12348 {version} IN IP4 127.0.0.1", "s=-", "t=0 0", "a=ice-lite"]
    if taken:
        out.append("a=group:BUNDLE " + " ".join(taken))
    out.append("a=msid-semantic: WMS *")
    for line in offer.lines:
        if line.mid in published:
            out += _published(line, published[line.mid], transport)
        elif line.mid in received:
            out += _received(line, received[line.mid], transport)
        else:
            out += [f"m={line.kind} 0 {line.protocol} {' '.join(line.formats[:1])}", "c=IN IP4 0.0.0.0"]
            out += [f"a=mid:{line.mid}", "a=inactive"]
    return "\r\n".join(out) + "\r\n"


def _start(line: Line, formats: Sequence[int], direction: Direction, transport: Transport) -> list[str]:
    return [
        f"m={line.kind} 9 {line.protocol} {' '.join(map(str, formats))}",
        "c=IN IP4 0.0.0.0",
        "a=rtcp:9 IN IP4 0.0.0.0",
        f"a=ice-ufrag:{transport.ufrag}",
        f"a=ice-pwd:{transport.password}",
        f"a=fingerprint:sha-256 {transport.fingerprint}",
        "a=setup:passive",
        f"a=mid:{line.mid}",
        f"a={direction}",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        *transport.candidates,
        "a=end-of-candidates",
    ]


def _codec_lines(codec: Codec, feedback: Sequence[str]) -> list[str]:
    channels = f"/{codec.channels}" if codec.channels > 1 else ""
    out = [f"a=rtpmap:{codec.payload_type} {codec.name.lower() if codec.name == 'OPUS' else codec.name}"]
    out[0] += f"/{codec.clock_rate}{channels}"
    out += [f"a=rtcp-fb:{codec.payload_type} {one}" for one in feedback if one in codec.feedback]
    if codec.name == "OPUS":
        out.append(f"a=fmtp:{codec.payload_type} minptime=10;useinbandfec=1")
    elif codec.parameters:
        out.append(f"a=fmtp:{codec.payload_type} {codec.parameters}")
    if codec.rtx:
        out += [
            f"a=rtpmap:{codec.rtx} rtx/{codec.clock_rate}",
            f"a=fmtp:{codec.rtx} apt={codec.payload_type}",
        ]
    return out


def _extension_lines(line: Line, *wanted: str) -> list[str]:
    return [f"a=extmap:{line.extensions[uri]} {uri}" for uri in wanted if uri in line.extensions]


def _published(line: Line, given: Published, transport: Transport) -> list[str]:
    codec = given.codec
    formats = [codec.payload_type, *([codec.rtx] if codec.rtx else [])]
    out = _start(line, formats, "recvonly", transport)
    feedback = ["transport-cc"] if line.kind == "audio" else ["nack", "nack pli", "ccm fir", "transport-cc"]
    out += _codec_lines(codec, feedback)
    out += _extension_lines(line, MID, TRANSPORT_WIDE, *([LEVEL] if line.kind == "audio" else []))
    if given.rids:
        out += _extension_lines(line, RID, REPAIRED_RID)
        out += [f"a=rid:{one} recv" for one in given.rids]
        out.append("a=simulcast:recv " + ";".join(given.rids))
    return out


def _received(line: Line, given: Received, transport: Transport) -> list[str]:
    formats = [number for one in given.codecs for number in (one.payload_type, one.rtx) if number]
    out = _start(line, formats, "sendonly", transport)
    feedback = () if line.kind == "audio" else ("nack", "nack pli", "ccm fir", "goog-remb")
    for codec in given.codecs:
        out += _codec_lines(codec, feedback)
    out += _extension_lines(line, LEVEL if line.kind == "audio" else SEND_TIME)
    out.append(f"a=msid:{given.stream} {given.stream}-{given.mid}")
    if given.rtx_ssrc:
        out.append(f"a=ssrc-group:FID {given.ssrc} {given.rtx_ssrc}")
    out += [f"a=ssrc:{one} cname:{given.stream}" for one in (given.ssrc, given.rtx_ssrc) if one]
    return out
