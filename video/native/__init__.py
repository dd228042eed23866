"""The hot path in C, on a thread of its own: ``make`` gives it where the machine can compile it, else the plain one."""

import os
import socket

import structlog

from video.forward import Control, Forwarder
from video.native.build import NotBuilt, load

log = structlog.get_logger(__name__)

_said: set[str] = set()


def forwarder(sock: socket.socket, control: Control, native: bool | None = None) -> Forwarder:
    """A forwarder for this socket.

    Args:
        native: True for C or nothing, False for plain Python, None for the better one that is to be had. The
            environment variable VIDEO_NATIVE (``off``, ``need``) decides where this is None.

    Raises:
        NotBuilt: C was asked for and there is none; the message says why.
    """
    if native is None:
        native = {"off": False, "need": True}.get(os.environ.get("VIDEO_NATIVE", ""))
    if native is False:
        _say("the video bridge forwards in plain Python, as it was told")
        return Forwarder(sock, control)
    try:
        load()
    except NotBuilt as reason:
        if native:
            raise
        _say("the video bridge forwards in plain Python: no C path here", reason=str(reason))
        return Forwarder(sock, control)
    from video.native.forwarder import NativeForwarder  # only now: it needs what was just loaded

    _say("the video bridge forwards in C, on a thread of its own")
    return NativeForwarder(sock, control)


def _say(text: str, **facts: str) -> None:
    """Once a process."""
    if text not in _said:
        _said.add(text)
        log.info(text, **facts)
