"""Free ports on the loopback address, and a look at who listens."""

from __future__ import annotations

import itertools
import os
import random
import socket
from collections.abc import Iterator
from pathlib import Path

# Below Linux's range for outgoing ports, so that no client socket takes one of ours between look and use. Workers of
# one run have parts of their own; two runs begin somewhere else, so that they seldom look at the same ones.
_LOWEST, _HIGHEST = 11_000, 31_000
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_SPAN = (_HIGHEST - _LOWEST) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_FIRST = _LOWEST + _WORKER * _SPAN
_LAST = _FIRST + _SPAN
_cursor: Iterator[int] = itertools.count(random.Random(os.getpid()).randrange(_SPAN))


def free_port(kind: str = "both") -> int:
    """A port of 127.0.0.1 on which nothing listens.

    Args:
        kind: "udp", "tcp" or "both".
    """
    return free_ports(1, kind=kind)[0]


def free_ports(count: int, *, kind: str = "both") -> list[int]:
    """`count` different free ports, none given out twice by this process until the range is used up."""
    found: list[int] = []
    for _ in range(_SPAN):
        port = _FIRST + next(_cursor) % _SPAN
        if _is_free(port, kind):
            found.append(port)
            if len(found) == count:
                return found
    raise OSError("no free ports on 127.0.0.1")


def free_range(count: int) -> tuple[int, int]:
    """First and last of `count` adjoining free UDP ports, the first even (RTP, RFC 3550 section 11)."""
    for _ in range(_SPAN):
        first = _FIRST + next(_cursor) % _SPAN
        if first % 2 or first + count > _LAST:
            continue
        if all(_is_free(port, "udp") for port in range(first, first + count)):
            for _ in range(count):
                next(_cursor)
            return first, first + count - 1
    raise OSError(f"no {count} adjoining free ports on 127.0.0.1")


def udp_is_bound(port: int) -> bool:
    """True when some process has a UDP socket on this port (read from the kernel, nothing is sent)."""
    return any(line.split()[1].endswith(f":{port:04X}") for line in _udp_table())


def _udp_table() -> list[str]:
    lines: list[str] = []
    for name in ("/proc/net/udp", "/proc/net/udp6"):
        path = Path(name)
        if path.exists():
            lines += path.read_text().splitlines()[1:]
    return lines


def _is_free(port: int, kind: str) -> bool:
    kinds = {"udp": (socket.SOCK_DGRAM,), "tcp": (socket.SOCK_STREAM,)}
    for socket_type in kinds.get(kind, (socket.SOCK_DGRAM, socket.SOCK_STREAM)):
        with socket.socket(socket.AF_INET, socket_type) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True
