"""RTCP and the few other packets that the bridge itself reads and writes. Every bound is checked: any bytes are safe.

RFC 3550 (reports), RFC 4585 (NACK, PLI), RFC 5104 (FIR), draft-alvestrand-rmcat-remb, and
draft-holmer-rmcat-transport-wide-cc-extensions-01.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from struct import Struct, pack

NACKED_MAX = 512
"""Sequence numbers of one compound packet that are looked at."""
STATUSES_MAX = 1_000
_HEAD = Struct("!BBH")
_LONG = Struct("!I")
_LONG2 = Struct("!II")
_PAIR = Struct("!HH")
_SENDER = Struct("!IQIII")
_BLOCK = Struct("!IIIIII")
_SR, _RR, _SDES, _RTPFB, _PSFB = 200, 201, 202, 205, 206
_DELTA_NS = 250_000
_REFERENCE_NS = 64_000_000


class MalformedPacket(ValueError):
    """Bytes that are no such packet. Never leaves this package: the packet is counted and dropped."""


@dataclass(frozen=True, slots=True)
class SenderReport:
    """``ntp`` is 32.32 fixed point seconds since 1900 of the sender's clock."""

    ssrc: int
    ntp: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class ReceiverBlock:
    """What a receiver says of one stream; ``fraction_lost`` in 1/256 since its last report."""

    ssrc: int
    fraction_lost: int
    highest: int
    last_report: int = 0
    delay: int = 0
    lost: int = 0
    jitter: int = 0


@dataclass(frozen=True, slots=True)
class Nack:
    ssrc: int
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KeyFrameWanted:
    """PLI or FIR."""

    ssrc: int


@dataclass(frozen=True, slots=True)
class Remb:
    """The receiver's estimate in bit/s for all these streams together."""

    bits_per_second: int
    ssrcs: tuple[int, ...]


Report = SenderReport | ReceiverBlock | Nack | KeyFrameWanted | Remb


def parse_rtcp(data: bytes) -> list[Report]:
    """What a compound packet says that matters here; what is unknown is passed over.

    Raises:
        MalformedPacket: a length or version is wrong. What came before it is not acted on either.
    """
    found: list[Report] = []
    at, end = 0, len(data)
    while at < end:
        if end - at < 4:
            raise MalformedPacket
        first, kind, words = _HEAD.unpack_from(data, at)
        stop = at + 4 + 4 * words
        if first >> 6 != 2 or stop > end:
            raise MalformedPacket
        body = data[at + 4 : stop]
        if first & 0x20:
            body = _unpadded(body)
        if kind == _SR:
            found += _sender_report(body, first & 31)
        elif kind == _RR:
            found += _receiver_report(body, first & 31)
        elif kind == _RTPFB and first & 31 == 1:
            found.append(_nack(body))
        elif kind == _PSFB:
            found += _payload_feedback(body, first & 31)
        at = stop
    return found


def _unpadded(body: bytes) -> bytes:
    if not body or not 0 < body[-1] <= len(body):
        raise MalformedPacket
    return body[: -body[-1]]


def _sender_report(body: bytes, count: int) -> list[Report]:
    if len(body) < _SENDER.size + count * _BLOCK.size:
        raise MalformedPacket
    ssrc, ntp, timestamp, _, _ = _SENDER.unpack_from(body)
    return [SenderReport(ssrc, ntp, timestamp), *_blocks(body, _SENDER.size, count)]


def _receiver_report(body: bytes, count: int) -> list[ReceiverBlock]:
    if len(body) < 4 + count * _BLOCK.size:
        raise MalformedPacket
    return _blocks(body, 4, count)


def _blocks(body: bytes, at: int, count: int) -> list[ReceiverBlock]:
    blocks: list[ReceiverBlock] = []
    for index in range(count):
        ssrc, lost, highest, jitter, last, delay = _BLOCK.unpack_from(body, at + index * _BLOCK.size)
        blocks.append(ReceiverBlock(ssrc, lost >> 24, highest, last, delay, lost & 0xFFFFFF, jitter))
    return blocks


def _nack(body: bytes) -> Nack:
    if len(body) < 8:
        raise MalformedPacket
    numbers: list[int] = []
    for at in range(8, len(body) - 3, 4):
        first, mask = _PAIR.unpack_from(body, at)
        numbers.append(first)
        numbers += [(first + bit + 1) & 0xFFFF for bit in range(16) if mask >> bit & 1]
        if len(numbers) > NACKED_MAX:
            break
    return Nack(_LONG.unpack_from(body, 4)[0], tuple(numbers[:NACKED_MAX]))


def _payload_feedback(body: bytes, form: int) -> list[Report]:
    if len(body) < 8:
        raise MalformedPacket
    if form == 1:
        return [KeyFrameWanted(_LONG.unpack_from(body, 4)[0])]
    if form == 4:
        return [KeyFrameWanted(_LONG.unpack_from(body, at)[0]) for at in range(8, len(body) - 7, 8)]
    if form == 15 and body[8:12] == b"REMB" and len(body) >= 16:
        count, high, low = body[12], body[13], (body[14] << 8) | body[15]
        if len(body) < 16 + 4 * count:
            raise MalformedPacket
        bits = (((high & 3) << 16) | low) << (high >> 2)
        ssrcs = tuple(_LONG.unpack_from(body, 16 + 4 * index)[0] for index in range(count))
        return [Remb(min(bits, 1 << 40), ssrcs)]
    return []


# ---------------------------------------------------------------------- writing


def sender_report(report: SenderReport, packets: int, octets: int, cname: str) -> bytes:
    """SR with an SDES CNAME behind it, as every compound packet wants one."""
    head = _HEAD.pack(0x80, _SR, 6)
    body = _SENDER.pack(report.ssrc, report.ntp, report.timestamp, packets & 0xFFFFFFFF, octets & 0xFFFFFFFF)
    name = cname.encode()[:200]
    chunk = _LONG.pack(report.ssrc) + bytes((1, len(name))) + name + b"\0"
    chunk += b"\0" * (-len(chunk) % 4)
    return head + body + _HEAD.pack(0x81, _SDES, len(chunk) // 4) + chunk


def receiver_report(ssrc: int, blocks: Sequence[ReceiverBlock]) -> bytes:
    """At most 31 blocks."""
    data = _HEAD.pack(0x80 | len(blocks), _RR, 1 + 6 * len(blocks)) + _LONG.pack(ssrc)
    for one in blocks:
        lost = (one.fraction_lost << 24) | min(one.lost, 0x7FFFFF)
        data += _BLOCK.pack(one.ssrc, lost, one.highest & 0xFFFFFFFF, one.jitter, one.last_report, one.delay)
    return data


def picture_loss(ssrc: int, media_ssrc: int) -> bytes:
    return _HEAD.pack(0x81, _PSFB, 2) + _LONG2.pack(ssrc, media_ssrc)


def full_intra_request(ssrc: int, media_ssrc: int, number: int) -> bytes:
    return _HEAD.pack(0x84, _PSFB, 4) + _LONG2.pack(ssrc, 0) + _LONG2.pack(media_ssrc, (number & 255) << 24)


def nack(ssrc: int, media_ssrc: int, numbers: Iterable[int]) -> bytes:
    """One generic NACK; ``numbers`` in rising order (modulo 65536)."""
    pairs: list[list[int]] = []
    for number in numbers:
        if pairs and 1 <= (step := (number - pairs[-1][0]) & 0xFFFF) <= 16:
            pairs[-1][1] |= 1 << (step - 1)
        else:
            pairs.append([number & 0xFFFF, 0])
    fci = b"".join(_PAIR.pack(*pair) for pair in pairs[:200])
    return _HEAD.pack(0x81, _RTPFB, 2 + len(fci) // 4) + _LONG2.pack(ssrc, media_ssrc) + fci


def remb(ssrc: int, bits_per_second: int, ssrcs: Sequence[int]) -> bytes:
    exponent = max(0, bits_per_second.bit_length() - 18)
    mantissa = bits_per_second >> exponent
    fci = b"REMB" + _LONG.pack((len(ssrcs) << 24) | (exponent << 18) | mantissa)
    fci += b"".join(_LONG.pack(one) for one in ssrcs)
    return _HEAD.pack(0x8F, _PSFB, 2 + len(fci) // 4) + _LONG2.pack(ssrc, 0) + fci


class TransportFeedback:
    """Writes transport-wide feedback for one peer: every number up to the newest is reported, seen or not."""

    def __init__(self) -> None:
        self._next = -1
        self._count = 0

    def write(self, ssrc: int, media_ssrc: int, arrivals: Sequence[tuple[int, int]]) -> list[bytes]:
        """Packets that report these (number modulo 65536, arrival in ns); none when there is nothing to say."""
        if not arrivals:
            return []
        seen: dict[int, int] = {}
        if self._next < 0:
            self._next = 0x10000 + arrivals[0][0]
        near = self._next
        for number, at_ns in arrivals:
            step = (number - near) & 0xFFFF
            extended = near + step - (0x10000 if step >= 0x8000 else 0)
            seen.setdefault(extended, at_ns)
            near = max(near, extended)
        numbers = sorted(seen)
        first = max(min(self._next, numbers[0]), numbers[-1] - 5 * STATUSES_MAX)
        self._next = max(self._next, numbers[-1] + 1)
        packets: list[bytes] = []
        while first <= numbers[-1]:
            until = min(numbers[-1] + 1, first + STATUSES_MAX)
            packet, first = self._packet(ssrc, media_ssrc, first, until, seen)
            if packet:
                packets.append(packet)
        return packets

    def _packet(
        self, ssrc: int, media_ssrc: int, first: int, until: int, seen: dict[int, int]
    ) -> tuple[bytes, int]:
        """One packet of numbers ``first`` to below ``until``, or to where a time no longer fits; and the next."""
        base = next((number for number in range(first, until) if number in seen), None)
        if base is None:
            return b"", until
        reference = seen[base] // _REFERENCE_NS
        before = reference * (_REFERENCE_NS // _DELTA_NS)
        statuses: list[int] = []
        deltas = bytearray()
        number = first
        while number < until and len(deltas) < 1_000:
            at_ns = seen.get(number)
            if at_ns is None:
                statuses.append(0)
            else:
                delta = at_ns // _DELTA_NS - before
                if not -0x8000 <= delta <= 0x7FFF:
                    break
                before += delta
                if 0 <= delta <= 255:
                    statuses.append(1)
                    deltas.append(delta)
                else:
                    statuses.append(2)
                    deltas += pack("!h", delta)
            number += 1
        head = _PAIR.pack(first & 0xFFFF, len(statuses)) + _LONG.pack(
            ((reference & 0xFFFFFF) << 8) | (self._count & 255)
        )
        self._count += 1
        fci = head + _chunks(statuses) + bytes(deltas)
        padding = -len(fci) % 4
        if padding:
            fci += bytes(padding - 1) + bytes((padding,))
        lead = _HEAD.pack(0xAF if padding else 0x8F, _RTPFB, 2 + len(fci) // 4)
        return lead + _LONG2.pack(ssrc, media_ssrc) + fci, max(number, base + 1)


def _chunks(statuses: Sequence[int]) -> bytes:
    """Run-length chunks where seven or more are alike, else vectors of seven two-bit symbols."""
    out = bytearray()
    at = 0
    while at < len(statuses):
        symbol, run = statuses[at], 1
        while at + run < len(statuses) and statuses[at + run] == symbol and run < 0x1FFF:
            run += 1
        if run >= 7 or at + run == len(statuses):
            out += pack("!H", (symbol << 13) | run)
            at += run
            continue
        vector = 0xC000
        for index, one in enumerate(statuses[at : at + 7]):
            vector |= one << (12 - 2 * index)
        out += pack("!H", vector)
        at += 7
    return bytes(out)


def extensions_of(packet: bytes) -> dict[int, bytes]:
    """The one-byte header extensions of an RTP packet (RFC 8285), by id; none when they make no sense."""
    if len(packet) < 16 or not packet[0] & 0x10:
        return {}
    at = 12 + 4 * (packet[0] & 15)
    if at + 4 > len(packet):
        return {}
    profile, words = _PAIR.unpack_from(packet, at)
    at += 4
    stop = at + 4 * words
    if profile != 0xBEDE or stop > len(packet):
        return {}
    found: dict[int, bytes] = {}
    while at < stop:
        lead = packet[at]
        at += 1
        if not lead:
            continue
        size = (lead & 15) + 1
        if lead >> 4 == 15 or at + size > stop:
            break
        found[lead >> 4] = packet[at : at + size]
        at += size
    return found
