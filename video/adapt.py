"""What a receiver gets when the line is thin: a smaller layer, then no moving picture, never less voice.

The receiver's own estimate (REMB) is believed with care: it hardly grows while little is sent, and one hiccup of a busy
computer lowers it. A line is short when much more is sent than the estimate allows, and the estimate keeps falling or
packets are lost. A picture that was held is tried again now and then, and held again at the first bad sign: each try
costs a thin line some of its voice.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from video.peer import Peer, Slot

EVERY_S = 0.5
THIN = 250_000
"""Bits per second under which pictures stop."""
_FRESH_S = 5.0
_LOW_TIMES = 4
_SHORT = 0.8
_FALLS = 2
_FALLS_WITHIN_S = 4.0
_LOSSY = 0.1
_RETRY_S = (20.0, 120.0)
_PROBATION_S = 6.0
_VOICE_LOSSY = 0.03
_UP_AFTER_S = 6.0


@dataclass(slots=True)
class Line:
    """What is remembered of one receiver between two looks."""

    low: int = 0
    held_s: float = 0.0
    retry_s: float = _RETRY_S[0]
    looked_s: float = 0.0
    switched_s: float = 0.0
    probation_s: float = 0.0
    """Until then a picture that was let go again is held at the first sign of a line that is still thin."""
    octets: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """One slot to hold or to let go, or to give another layer."""

    slot: Slot
    held: bool
    rid: str | None = None


def look(peer: Peer, line: Line) -> Iterator[Decision]:
    """What should change for this receiver now; to be called every ``EVERY_S``."""
    now_s = time.monotonic()
    passed_s = now_s - line.looked_s
    line.looked_s = now_s
    pictures = [one for one in peer.slots.values() if one.kind == "video" and one.sent and one.allowed]
    sent = 0
    for slot in peer.slots.values():
        if slot.kind == "audio":  # receivers estimate what carries send times: pictures
            continue
        sent += slot.sub.octets - line.octets.get(slot.mid, 0)
        line.octets[slot.mid] = slot.sub.octets
    rate = int(sent * 8 / passed_s) if 0 < passed_s < 10 else 0
    held = [slot for slot in pictures if slot.held]
    if held:
        if now_s - line.held_s > line.retry_s:
            line.retry_s = min(_RETRY_S[1], line.retry_s * 2)
            line.low, line.held_s, line.probation_s = 0, now_s, now_s + _PROBATION_S
            for slot in held:
                yield Decision(slot, False, _smallest(slot))
        return
    if peer.estimate is None or now_s - peer.estimate_at_s > _FRESH_S or not pictures:
        line.low = 0
        return
    falling = sum(now_s - at_s < _FALLS_WITHIN_S for at_s in peer.falls_s) >= _FALLS
    losing = any(slot.loss > _LOSSY for slot in pictures)
    congested = peer.estimate < _SHORT * rate and (falling or losing)
    on_probation = now_s < line.probation_s
    if on_probation:
        hurt = any(slot.loss > _VOICE_LOSSY for slot in peer.slots.values() if slot.kind == "audio")
        congested = congested or peer.estimate < min(THIN, _SHORT * rate) or losing or hurt
    line.low = line.low + 1 if congested else 0
    if line.low < (1 if on_probation else _LOW_TIMES):
        if not congested and now_s - line.switched_s > _UP_AFTER_S:
            yield from _up(pictures, peer.estimate, rate, line, now_s)
        return
    line.low = 0
    downs = [slot for slot in pictures if slot.sent and slot.rid != _smallest(slot)]
    line.switched_s = now_s
    if downs:
        for slot in downs:
            yield Decision(slot, False, _smallest(slot))
    elif peer.estimate < THIN:
        line.held_s = now_s
        for slot in pictures:
            yield Decision(slot, True)


def _up(pictures: list[Slot], estimate: int, rate: int, line: Line, now_s: float) -> Iterator[Decision]:
    """One picture one layer up, when the estimate leaves room."""
    if estimate > THIN:
        line.retry_s = max(_RETRY_S[0], line.retry_s / 2)
    if estimate < 1.3 * rate:
        return
    for slot in pictures:
        rids = [layer.rid for layer in slot.sent.layers] if slot.sent else []
        at = rids.index(slot.rid) if slot.rid in rids else 0
        if at > 0 and slot.sent and slot.sent.layers[at - 1].track.packets:
            line.switched_s = now_s
            yield Decision(slot, False, rids[at - 1])
            return


def _smallest(slot: Slot) -> str:
    """The layer of fewest bits that is really sent (a browser sends none for a layer it cannot afford)."""
    layers = [one for one in slot.sent.layers if one.track.packets] if slot.sent else []
    if not layers:
        return slot.rid
    return min(layers, key=lambda one: one.track.octets).rid
