"""SDP: a browser's offer. Anything a stranger may write ends in an ``Offer`` or a DescriptionRefused.

The page always offers and the bridge always answers (``video.answers``): no collisions, and an ICE-lite side never
starts (RFC 8829, RFC 8839, RFC 9143). Of an offer only what the bridge uses is read.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from video.dtls import Fingerprint
from video.errors import DataChannelRefused, DescriptionRefused, NoCommonCodec
from video.forward import Kind

LONGEST = 120_000
"""Characters of an offer: a room of eight with two cameras each takes half of it."""
LINES_MAX = 48
_CODECS_MAX = 80
_LINE_MAX = 2_000
MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
TRANSPORT_WIDE = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
VIDEO_CODECS = ("VP8", "H264")
"""In order of preference; every browser has both (RFC 7742)."""

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
_DIRECTIONS: tuple[Direction, ...] = ("sendrecv", "sendonly", "recvonly", "inactive")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,64}")
_ICE = re.compile(r"[A-Za-z0-9+/=_-]{4,256}")
_HEX_PAIRS = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){19,63}")
_ALGORITHMS = {"sha-256": 32, "sha-384": 48, "sha-512": 64}


@dataclass(frozen=True, slots=True)
class Codec:
    """One payload type of a line. ``rtx`` is the payload type that repairs it, 0 for none."""

    payload_type: int
    name: str
    clock_rate: int
    channels: int
    parameters: str = ""
    feedback: tuple[str, ...] = ()
    rtx: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One media line of an offer."""

    mid: str
    kind: Kind | Literal["application"]
    direction: Direction
    rejected: bool
    codecs: tuple[Codec, ...]
    extensions: Mapping[str, int]
    ssrc: int = 0
    rtx_ssrc: int = 0
    rids: tuple[str, ...] = ()
    protocol: str = "UDP/TLS/RTP/SAVPF"
    formats: tuple[str, ...] = ()

    @property
    def sends(self) -> bool:
        return not self.rejected and self.direction in ("sendrecv", "sendonly")

    @property
    def receives(self) -> bool:
        return not self.rejected and self.direction in ("sendrecv", "recvonly")


@dataclass(frozen=True, slots=True)
class Offer:
    """What an offer says, as far as the bridge needs it."""

    ufrag: str
    fingerprints: tuple[Fingerprint, ...]
    lines: tuple[Line, ...]


# ---------------------------------------------------------------------- reading


def parse_offer(sdp: object) -> Offer:
    """Read an offer.

    Raises:
        DescriptionRefused: it is not SDP, is too large, or lacks what an encrypted, bundled connection needs.
    """
    if not isinstance(sdp, str) or not sdp.startswith("v=0"):
        raise DescriptionRefused("this is no session description")
    if len(sdp) > LONGEST:
        raise DescriptionRefused("the offer is too long")
    session, *sections = _sections(sdp)
    if not sections:
        raise DescriptionRefused("the offer has no media line")
    lines = tuple(_line(section, index) for index, section in enumerate(sections))
    if len({line.mid for line in lines}) != len(lines):
        raise DescriptionRefused("two media lines have the same mid")
    used = [section for section, line in zip(sections, lines, strict=True) if not line.rejected] or sections
    transport = [*used[0], *session]
    ufrag = _one(transport, "ice-ufrag")
    if ufrag is None or not _ICE.fullmatch(ufrag):
        raise DescriptionRefused("the offer has no usable ice-ufrag")
    if _one(transport, "setup") not in ("actpass", "active"):
        raise DescriptionRefused("the other side has to be able to begin the handshake")
    for section, line in zip(sections, lines, strict=True):
        if not line.rejected and line.kind != "application" and not _has(section, session, "rtcp-mux"):
            raise DescriptionRefused("RTP and RTCP have to share a port")
    return Offer(ufrag, _fingerprints(used, session), lines)


def _sections(sdp: str) -> list[list[str]]:
    sections: list[list[str]] = [[]]
    for raw in sdp.replace("\r\n", "\n").split("\n"):
        if len(raw) > _LINE_MAX:
            raise DescriptionRefused("a line of the offer is too long")
        if not raw.isprintable():
            raise DescriptionRefused("the offer holds control characters")
        if raw.startswith("m="):
            if len(sections) > LINES_MAX:
                raise DescriptionRefused("the offer has too many media lines")
            sections.append([])
        if raw:
            sections[-1].append(raw)
    return sections


def _attributes(section: Sequence[str], name: str) -> list[str]:
    lead = f"a={name}:"
    return [line[len(lead) :].strip() for line in section if line.startswith(lead)]


def _one(section: Sequence[str], name: str) -> str | None:
    return next(iter(_attributes(section, name)), None)


def _has(section: Sequence[str], session: Sequence[str], name: str) -> bool:
    return f"a={name}" in section or f"a={name}" in session


def _number(text: str, highest: int) -> int | None:
    """A plain decimal number of at most ``highest``; no signs, spaces, or digits of other scripts."""
    if not text.isascii() or not text.isdigit() or len(text) > 10:
        return None
    number = int(text)
    return number if number <= highest else None


def _fingerprints(sections: Sequence[Sequence[str]], session: Sequence[str]) -> tuple[Fingerprint, ...]:
    found: list[Fingerprint] = []
    for text in [one for section in [*sections, session] for one in _attributes(section, "fingerprint")]:
        algorithm, _, value = text.partition(" ")
        algorithm = algorithm.lower()
        if not _HEX_PAIRS.fullmatch(value.strip()):
            raise DescriptionRefused("a fingerprint cannot be read")
        one = Fingerprint(algorithm, value.strip().upper())
        if algorithm in _ALGORITHMS and one not in found:
            if len(one.value.split(":")) != _ALGORITHMS[algorithm]:
                raise DescriptionRefused("a fingerprint has a wrong length")
            found.append(one)
    if not found or len({one.algorithm for one in found}) != len(found):
        raise DescriptionRefused("the offer has to name one certificate by sha-256 or better")
    return tuple(found)


def _line(section: Sequence[str], index: int) -> Line:
    parts = section[0][2:].split(" ")
    if len(parts) < 4 or len(parts) > 3 + _CODECS_MAX:
        raise DescriptionRefused("a media line cannot be read")
    kind, port, protocol, *formats = parts
    if kind not in ("audio", "video", "application"):
        raise DescriptionRefused("a media line is neither sound nor picture nor data")
    if _number(port, 65_535) is None:
        raise DescriptionRefused("a media line has no port")
    if not all(_TOKEN.fullmatch(one) for one in formats) or not re.fullmatch(r"[A-Z/]{3,40}", protocol):
        raise DescriptionRefused("a media line cannot be read")
    mid = _one(section, "mid")
    if mid is None or not _TOKEN.fullmatch(mid) or len(mid) > 16:
        raise DescriptionRefused("a media line has no usable mid")
    rejected = port == "0" and "a=bundle-only" not in section
    line = Line(mid, kind, _direction(section), rejected, (), {}, protocol=protocol, formats=tuple(formats))
    if kind == "application" or rejected:
        return line
    if protocol not in ("UDP/TLS/RTP/SAVPF", "RTP/SAVPF"):
        raise DescriptionRefused("a media line is not encrypted")
    ssrc, rtx_ssrc = _ssrcs(section)
    return replace(
        line,
        codecs=_codecs(section, formats),
        extensions=_extension_ids(section),
        ssrc=ssrc,
        rtx_ssrc=rtx_ssrc,
        rids=_rids(section),
    )


def _direction(section: Sequence[str]) -> Direction:
    for one in _DIRECTIONS:
        if f"a={one}" in section:
            return one
    return "sendrecv"


def _codecs(section: Sequence[str], formats: Sequence[str]) -> tuple[Codec, ...]:
    offered = [number for one in formats if (number := _number(one, 127)) is not None]
    parameters = dict(_keyed(section, "fmtp"))
    feedback: dict[int, list[str]] = {}
    for number, text in _keyed(section, "rtcp-fb"):
        feedback.setdefault(number, []).append(text)
    codecs: dict[int, Codec] = {}
    repairs: dict[int, int] = {}
    for number, text in _keyed(section, "rtpmap"):
        name, _, rest = text.partition("/")
        clock, _, channels = rest.partition("/")
        rate = _number(clock, 1_000_000)
        if number not in offered or not rate or not _TOKEN.fullmatch(name):
            continue
        if name.lower() == "rtx":
            apt = re.search(r"\bapt=(\d{1,3})\b", parameters.get(number, ""), re.ASCII)
            if apt:
                repairs[int(apt[1])] = number
            continue
        width = _number(channels, 8) or 1
        codecs[number] = Codec(
            number, name.upper(), rate, width, parameters.get(number, ""), tuple(feedback.get(number, ()))
        )
    return tuple(
        replace(codecs[one], rtx=repairs.get(one, 0)) for one in dict.fromkeys(offered) if one in codecs
    )


def _keyed(section: Sequence[str], name: str) -> list[tuple[int, str]]:
    """Attributes that begin with a payload type."""
    found: list[tuple[int, str]] = []
    for text in _attributes(section, name):
        lead, _, rest = text.partition(" ")
        number = _number(lead, 127)
        if number is not None and rest:
            found.append((number, rest.strip()))
    return found


def _extension_ids(section: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for text in _attributes(section, "extmap"):
        lead, _, rest = text.partition(" ")
        number = _number(lead.partition("/")[0], 255)
        uri = rest.split(" ")[0]
        if number is not None and 1 <= number <= 14 and uri not in found and number not in found.values():
            found[uri] = number
    return found


def _ssrcs(section: Sequence[str]) -> tuple[int, int]:
    """The line's SSRC and that of its repair stream; 0 where the offer leaves it open."""
    for text in _attributes(section, "ssrc-group"):
        semantics, *members = text.split()
        numbers = [_number(one, 0xFFFFFFFF) for one in members]
        if semantics == "FID" and len(numbers) == 2 and numbers[0] and numbers[1]:
            return numbers[0], numbers[1]
    for text in _attributes(section, "ssrc"):
        number = _number(text.split(" ")[0], 0xFFFFFFFF)
        if number:
            return number, 0
    return 0, 0


def _rids(section: Sequence[str]) -> tuple[str, ...]:
    found = [text.split() for text in _attributes(section, "rid")]
    rids = [
        one[0]
        for one in found
        if len(one) >= 2 and one[1] == "send" and re.fullmatch(r"[A-Za-z0-9]{1,16}", one[0])
    ]
    return tuple(dict.fromkeys(rids[:4])) if _one(section, "simulcast") else ()


# ---------------------------------------------------------------------- choosing


def publishable(line: Line, can_show: Callable[[str], bool] = lambda _: True) -> Codec:
    """The codec in which this line is taken: opus, or the first picture codec that everybody ``can_show``.

    Raises:
        NoCommonCodec: there is none.
    """
    for name in ("OPUS",) if line.kind == "audio" else VIDEO_CODECS:
        codec = usable(line, name)
        if codec is not None and can_show(name):
            return codec
    raise NoCommonCodec(f"no codec of this {line.kind} line is understood by all")


def usable(line: Line, name: str) -> Codec | None:
    """This line's entry for a codec in the one form that the bridge forwards."""
    for codec in line.codecs:
        if codec.name != name:
            continue
        if name == "H264" and "packetization-mode=1" not in codec.parameters.replace(" ", ""):
            continue
        if codec.clock_rate == (48_000 if name == "OPUS" else 90_000):
            return codec
    return None


def refuse_data(offer: Offer) -> None:
    """Raises DataChannelRefused: chat, captions and papers have ways of their own."""
    if any(line.kind == "application" and not line.rejected for line in offer.lines):
        raise DataChannelRefused("the offer holds a data channel")
