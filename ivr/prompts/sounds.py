"""Reading, filtering and writing sound in plain Python: what a recording from a studio needs.

Samples are floats within ±1, mono. Sources: RIFF WAVE (Microsoft, 1991 and WAVEFORMATEXTENSIBLE); windowed-sinc
resampling (J. O. Smith, Digital Audio Resampling); the biquad of R. Bristow-Johnson's cookbook.
"""

from __future__ import annotations

import math
import struct
import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import mul
from pathlib import Path

from .alaw import SAMPLES
from .errors import NotSound

RATE = 8_000

_RATES = range(8_000, 192_001)
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_MOST_CHUNKS = 64
_ZERO_CROSSINGS = 16
_PASS_HZ = 3_700.0
_OTHERS = {
    b"ID3": "MP3",
    b"\xff\xfb": "MP3",
    b"\xff\xf3": "MP3",
    b"OggS": "Ogg",
    b"fLaC": "FLAC",
    b"\x1aE\xdf\xa3": "WebM",
    b"FORM": "AIFF",
    b"#!AMR": "AMR",
    b"0&\xb2u": "WMA",
}


@dataclass(frozen=True, slots=True)
class Sound:
    samples: array[float]
    rate: int

    @property
    def ms(self) -> int:
        return len(self.samples) * 1000 // self.rate

    @classmethod
    def of_file(cls, path: Path) -> Sound:
        """A prompt's file, .alaw or .wav. Raises NotSound, OSError."""
        data = path.read_bytes()
        if path.suffix == ".wav":
            return read_wav(data)
        return cls(array("d", (SAMPLES[code] / 32768 for code in data)), RATE)


def read_wav(data: bytes) -> Sound:
    """Mono samples of a WAV file: one or two channels, 16, 24 or 32 bits, or 32-bit floats, 8 to 192 kHz.

    Raises NotSound with words for who sent it.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise NotSound(_what_else(data))
    form, sound = _chunks(data)
    if len(form) < 16:
        raise NotSound("the WAV file does not say what is in it")
    kind, channels, rate, _, block, bits = struct.unpack_from("<HHIIHH", form)
    if kind == _EXTENSIBLE and len(form) >= 26:
        (kind,) = struct.unpack_from("<H", form, 24)
    if kind not in (_PCM, _FLOAT) or (kind, bits) not in {(_PCM, 16), (_PCM, 24), (_PCM, 32), (_FLOAT, 32)}:
        raise NotSound("the WAV file is compressed; save it as PCM with 16 or 24 bits")
    if channels not in (1, 2) or block != channels * bits // 8:
        raise NotSound("a recording has one or two channels")
    if rate not in _RATES:
        raise NotSound("a recording has 8,000 to 192,000 samples a second")
    whole = len(sound) // block * block
    if not whole:
        raise NotSound("the WAV file holds no sound")
    samples = _floats(sound[:whole]) if kind == _FLOAT else _integers(sound[:whole], bits // 8)
    if channels == 2:
        samples = array(
            "d", ((left + right) / 2 for left, right in zip(samples[::2], samples[1::2], strict=True))
        )
    return Sound(samples, rate)


def _what_else(data: bytes) -> str:
    found = next((name for begin, name in _OTHERS.items() if data.startswith(begin)), None)
    if data[4:8] == b"ftyp":
        found = "M4A"
    what = f"this is an {found} file" if found else "this is no sound file"
    return f"{what}; please save the recording as WAV"


def _chunks(data: bytes) -> tuple[bytes, bytes]:
    """The format and the sound. A program that was stopped leaves a length of 0 or too much: we take what is there."""
    form, at = b"", 12
    for _ in range(_MOST_CHUNKS):
        if at + 8 > len(data):
            break
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name == b"fmt ":
            form = data[at + 8 : at + 8 + min(size, 64)]
        elif name == b"data":
            end = at + 8 + size if size else len(data)
            return form, data[at + 8 : end]
        at += 8 + size + size % 2
    raise NotSound("the WAV file holds no sound")


def _integers(data: bytes, width: int) -> array[float]:
    """Little-endian integers of 2 to 4 bytes as floats within ±1."""
    wide = bytearray(len(data) // width * 4)
    for byte in range(width):
        wide[4 - width + byte :: 4] = data[byte::width]
    whole = array("i")
    whole.frombytes(wide)
    if sys.byteorder == "big":
        whole.byteswap()
    return array("d", (one / 2147483648.0 for one in whole))


def _floats(data: bytes) -> array[float]:
    """32-bit floats; what is no number or out of range becomes silence or full scale."""
    whole = array("f")
    whole.frombytes(data)
    if sys.byteorder == "big":
        whole.byteswap()
    return array("d", (max(-1.0, min(1.0, one)) if math.isfinite(one) else 0.0 for one in whole))


def resampled(sound: Sound, rate: int) -> array[float]:
    """The sound at another rate, without what the new rate cannot carry."""
    if sound.rate == rate:
        return sound.samples
    shared = math.gcd(sound.rate, rate)
    up, down = rate // shared, sound.rate // shared
    reach = math.ceil(_ZERO_CROSSINGS * max(1.0, sound.rate / (2 * _PASS_HZ)))
    padded = array("d", bytes(8 * reach)) + sound.samples + array("d", bytes(8 * (reach + 1)))
    taps: dict[int, list[float]] = {}
    out = array("d")
    for number in range(len(sound.samples) * up // down):
        at, phase = divmod(number * down, up)
        if phase not in taps:
            taps[phase] = _sinc(phase / up, reach, 2 * _PASS_HZ / sound.rate)
        out.append(sum(map(mul, taps[phase], padded[at + 1 : at + 1 + 2 * reach])))
    return out


def _sinc(offset: float, reach: int, band: float) -> list[float]:
    """A low pass around `offset`, which lies `reach` - 1 samples into the window; `band` is a share of the old rate."""
    band = min(band, 1.0)
    taps = []
    for step in range(2 * reach):
        away = step - (reach - 1) - offset
        window = 0.5 + 0.5 * math.cos(math.pi * away / reach) if abs(away) < reach else 0.0
        angle = math.pi * away * band
        taps.append(window * band * (math.sin(angle) / angle if angle else 1.0))
    whole = sum(taps)
    return [tap / whole for tap in taps]


def high_pass(samples: Iterable[float], hertz: float, rate: int = RATE) -> array[float]:
    """Second-order Butterworth: away with rumble, hum and direct current."""
    angle = 2 * math.pi * hertz / rate
    alpha, cosine = math.sin(angle) / math.sqrt(2), math.cos(angle)
    b0, a1, a2 = (1 + cosine) / 2 / (1 + alpha), -2 * cosine / (1 + alpha), (1 - alpha) / (1 + alpha)
    x1 = x2 = y1 = y2 = 0.0
    out = array("d")
    for x0 in samples:
        y0 = b0 * (x0 - 2 * x1 + x2) - a1 * y1 - a2 * y2
        x2, x1, y2, y1 = x1, x0, y1, y0
        out.append(y0)
    return out


def write_wav(samples: Sequence[float]) -> bytes:
    """A WAV file of 8 kHz, mono, 16-bit."""
    whole = array("h", (max(-32768, min(32767, round(one * 32768))) for one in samples))
    if sys.byteorder == "big":
        whole.byteswap()
    data = whole.tobytes()
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, _PCM, 1,
                       RATE, RATE * 2, 2, 16, b"data", len(data))  # fmt: skip
    return head + data
