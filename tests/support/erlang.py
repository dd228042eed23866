"""The formulas against which the simulator is held: one trade, exponential times, first come first served.

A. K. Erlang 1917 (C); C. Palm 1943 (A, with patience).
"""

from collections.abc import Iterable
from heapq import heapify, heapreplace
from math import exp


def erlang_c(offered: float, servers: int) -> float:
    """The probability of having to wait; ``offered`` is in erlangs, below ``servers``."""
    blocked = 1.0
    for n in range(1, servers + 1):
        blocked = offered * blocked / (n + offered * blocked)
    used = offered / servers
    return blocked / (1 - used + used * blocked)


def mean_wait_c(offered: float, servers: int, service: float) -> float:
    """The mean wait of all, in the unit of ``service``."""
    return erlang_c(offered, servers) * service / (servers - offered)


def erlang_a(arrivals: float, service: float, patience: float, servers: int) -> tuple[float, float]:
    """Share of those who give up, and the mean wait of all, by the chain's stationary distribution.

    ``arrivals`` per unit of time; ``service`` and ``patience`` are means in that unit.
    """
    weight, total, waiting = 1.0, 1.0, 0.0
    for n in range(1, 20 * servers + 200):
        rate = min(n, servers) / service + max(0, n - servers) / patience
        weight *= arrivals / rate
        total += weight
        waiting += max(0, n - servers) * weight
        if weight < exp(-60) * total and n > servers:
            break
    queue = waiting / total
    return queue / patience / arrivals, queue / arrivals


def textbook_waits(callers: Iterable[tuple[int, int, int]], servers: int) -> list[tuple[int, bool]]:
    """First come first served, by the recursion of Kiefer and Wolfowitz, exact on a given trace.

    ``callers``: (arrival, patience, service) in order of arrival. Returns for each how long it waited and whether it
    was served.
    """
    free = [0] * servers
    heapify(free)
    waits = []
    for arrived, patience, service in callers:
        begins = max(free[0], arrived)
        served = begins - arrived <= patience
        waits.append((min(begins - arrived, patience), served))
        if served:
            heapreplace(free, begins + service)
    return waits
