"""Putting packets on tapes and looking at what comes out, for the tests of recording."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.support.media import PAYLOAD_TYPES, Packet
from video.recording import mux
from video.recording.blocks import Record
from video.recording.evidence import LocalSeal
from video.recording.model import Kind, TapeEvent, Track
from video.recording.reading import TrackTape
from video.recording.recorder import Recorder
from video.recording.tape import Limits

ROOMY = Limits(buffer_bytes=1 << 28)  # a test hands over hours in a moment
BEGIN_NS = 5_000_000_000_000
_RTP = 1


def track(name: str = "camera", kind: Kind = "video", participant: str = "p1", bundle: str = "main") -> Track:
    return Track("s1", participant, name, kind, PAYLOAD_TYPES, bundle)


def put(
    folder: Path,
    tracks: Sequence[tuple[Track, Iterable[Packet], Iterable[tuple[int, bytes]]]],
    limits: Limits = ROOMY,
) -> list[TapeEvent]:
    """Write each track's packets and reports in the order in which they arrive. Returns what the tapes told."""
    told: list[TapeEvent] = []
    recorder = Recorder(told.append, flush_s=0.01, limits=limits)
    for one, packets, reports in tracks:
        tape = recorder.open(folder, one)
        arriving = [(packet.arrival_ns, tape.write, packet.data) for packet in packets]
        arriving += [(at_ns, tape.report, data) for at_ns, data in reports]
        for at_ns, keep, data in sorted(arriving, key=lambda entry: entry[0]):
            keep(at_ns, data)
    assert recorder.stop()
    return told


def seal_of(folder: Path) -> LocalSeal:
    return LocalSeal.from_file(folder.parent / "local-seal.key")


def muxed(folder: Path) -> dict[str, Any]:
    """Mux and seal. Returns the manifest."""
    assert mux.process(folder, seal_of(folder))
    return json.loads((folder / "manifest.json").read_text())


def packets_on(folder: Path, stem: str = "p1.camera") -> list[bytes]:
    """Every RTP packet on a tape, in order."""
    return [record[2] for record in TrackTape(folder, stem)._records() if record[0] == _RTP]


def of_kind(records: Iterable[Record], kind: int) -> list[Record]:
    return [record for record in records if record.kind == kind]
