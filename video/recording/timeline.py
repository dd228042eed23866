"""From RTP timestamps to the recording machine's clock.

Inside a stretch of a stream the RTP timestamps give the distances; where the stretch begins follows from the packets
that were the least delayed (the lower envelope of arrival minus timestamp), and how fast the sender's clock runs from
the envelope's slope. Sound and picture of one participant are then brought together by their sender reports.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

WINDOW_NS = 10_000_000_000
FIT_SPAN_NS = 60_000_000_000
_MAX_DRIFT = 5e-4  # clocks of sound cards and computers are better than that; more is a line getting slower
_MAX_POINTS = 60
_MAX_REPORTS = 20_000
_NEAR_NS = 30_000_000_000
_MAX_SHIFT_NS = 1_000_000_000


@dataclass(slots=True)
class Stretch:
    """A run of packets whose timestamps go on without a jump. `ticks` count from its first packet's timestamp."""

    clock_rate: int
    began_ns: int  # the first packet's arrival
    first_number: int = 0  # its sequence number, unwrapped
    newest: int = 0  # RTP timestamp of the newest packet
    ticks: int = 0  # the same, unwrapped
    windows: list[tuple[int, int, int]] = field(default_factory=list[tuple[int, int, int]])
    reports: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])  # NTP ns, ticks
    drift: float = 0.0
    offset_ns: int = 0
    shift_ns: int = 0

    def nominal_ns(self, ticks: int) -> int:
        return ticks * 1_000_000_000 // self.clock_rate

    def delay_ns(self, ticks: int, arrival_ns: int) -> int:
        """How much later than the first packet's timing a packet came."""
        return arrival_ns - self.began_ns - self.nominal_ns(ticks)

    def note(self, ticks: int, arrival_ns: int) -> None:
        delay = self.delay_ns(ticks, arrival_ns)
        window = arrival_ns // WINDOW_NS
        windows = self.windows
        if not windows or windows[-1][0] != window:
            windows.append((window, ticks, delay))
        elif delay < windows[-1][2]:
            windows[-1] = (window, ticks, delay)

    def least_delay_ns(self) -> int:
        """The least delay of late: of the last two windows."""
        return min(delay for _, _, delay in self.windows[-2:]) if self.windows else 0

    def note_report(self, ntp_ns: int, ticks: int) -> None:
        if len(self.reports) < _MAX_REPORTS:
            self.reports.append((ntp_ns, ticks))

    def fit(self) -> None:
        """Find `drift` and `offset_ns` from what was noted."""
        points = [(self.nominal_ns(ticks), delay) for _, ticks, delay in self.windows]
        if not points:
            return
        self.drift = _slope(points)
        self.offset_ns = round(min(delay - self.drift * at for at, delay in points))

    def local_ns(self, ticks: int) -> int:
        """When this was sent, on the recording machine's clock (plus the line's least delay)."""
        nominal = self.nominal_ns(ticks)
        return self.began_ns + nominal + round(self.drift * nominal) + self.offset_ns + self.shift_ns


def _slope(points: Sequence[tuple[int, int]]) -> float:
    """Theil-Sen: the median of the slopes between pairs, which a few slow seconds do not bend."""
    if points[-1][0] - points[0][0] < FIT_SPAN_NS or len(points) < 6:
        return 0.0
    step = -(-len(points) // _MAX_POINTS)
    some = points[::step]
    slopes = [
        (other[1] - one[1]) / (other[0] - one[0])
        for at, one in enumerate(some)
        for other in some[at + 1 :]
        if other[0] > one[0]
    ]
    slope = median(slopes) if slopes else 0.0
    return slope if abs(slope) <= _MAX_DRIFT else 0.0


def align(sound: Sequence[Stretch], pictures: Sequence[Stretch]) -> int:
    """Shift each stretch of pictures so that it fits the sound, by sender reports made close to each other.

    Both kinds of reports name the sender's own clock. What they say is believed up to a second: beyond that they come
    from another device or are wrong. Returns how many stretches were shifted by what they said.
    """
    heard = sorted(
        (stretch.local_ns(at), stretch.local_ns(at) - ntp) for stretch in sound for ntp, at in stretch.reports
    )
    times = [at for at, _ in heard]
    aligned = 0
    for stretch in pictures:
        stretch.shift_ns = 0
        apart = []
        for ntp_ns, ticks in stretch.reports:
            local_ns = stretch.local_ns(ticks)
            place = bisect_left(times, local_ns)
            near = [heard[one] for one in (place - 1, place) if 0 <= one < len(heard)]
            if near:
                at, lag = min(near, key=lambda pair: abs(pair[0] - local_ns))
                if abs(at - local_ns) <= _NEAR_NS:
                    apart.append(local_ns - ntp_ns - lag)
        shift = round(median(apart)) if apart else 0
        if apart and abs(shift) <= _MAX_SHIFT_NS:
            stretch.shift_ns = -shift
            aligned += 1
    return aligned
