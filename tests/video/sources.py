"""A voice and a picture for participants without a browser, and what comes of a voice."""

from __future__ import annotations

import numpy as np

from switchboard.visits.synthetic import RATE, Picture, Tone
from video.client import Received

__all__ = ["Picture", "Tone", "loudness"]


def loudness(received: Received | None, hertz: float) -> float:
    """Amplitude of a tone in what came last, full scale 1."""
    if received is None or len(received.sound) < 10:
        return 0.0
    pcm = np.concatenate(
        [frame.to_ndarray()[0][:: len(frame.layout.channels)] for frame in list(received.sound)[-10:]]
    )
    wave = np.exp(-2j * np.pi * hertz * np.arange(len(pcm)) / RATE)
    return float(2 * abs(np.dot(pcm, wave)) / len(pcm) / 32768)
