"""manifest.json: what was recorded, when, what is missing, and the digests of every file; and its seal."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from video.recording.errors import ManifestInvalid
from video.recording.evidence import EvidenceProvider, canonical, digests_of
from video.recording.reading import Clock, Gap, Outcome, Part, Survey

SEAL = "manifest.seal.json"
VERSION = 1
_MAX_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A file made from tapes. `tracks`: name, codec, frames."""

    path: Path
    participant: str
    bundle: str
    began_ns: int
    duration_ms: int
    tracks: Sequence[tuple[str, str, int]]


def describe(
    folder: Path,
    base: Clock,
    works: Sequence[tuple[Survey, Outcome]],
    media: Sequence[MediaFile],
    unreadable: Sequence[str],
) -> dict[str, Any]:
    """The manifest. All *_ms count from `began_at`, when the first tape was begun. Reads every file for its digests."""
    zero = base.monotonic_ns

    def ms(at_ns: int) -> int:
        return (at_ns - zero + 500_000) // 1_000_000

    return {
        "version": VERSION,
        "session": works[0][0].track.session,
        "began_at": datetime.fromtimestamp(base.wall_ns / 1e9, UTC).isoformat(timespec="milliseconds"),
        "began_wall_ns": base.wall_ns,
        "made_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "tracks": [_track(survey, outcome, ms) for survey, outcome in works],
        "media": [
            {
                **_file(folder, one.path),
                "participant": one.participant,
                "bundle": one.bundle,
                "began_ms": ms(one.began_ns),
                "duration_ms": one.duration_ms,
                "tracks": [
                    {"track": name, "codec": codec, "frames": frames} for name, codec, frames in one.tracks
                ],
            }
            for one in media
        ],
        "unreadable": [
            _file(folder, path) for stem in unreadable for path in sorted(folder.glob(f"{stem}.*.tape"))
        ],
    }


def described_empty(folder: Path) -> dict[str, Any]:
    """The manifest of a folder in which no tape holds anything: its files, as they are."""
    return {
        "version": VERSION,
        "session": folder.name,
        "made_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "tracks": [],
        "media": [],
        "unreadable": [_file(folder, path) for path in sorted(folder.glob("*.tape"))],
    }


def _track(survey: Survey, outcome: Outcome, ms: Any) -> dict[str, Any]:
    parts = survey.parts
    return {
        **survey.track.described(),
        "began_ms": None if survey.first_ns is None else ms(survey.first_ns),
        "ended_ms": None if survey.last_ns is None else ms(survey.last_ns),
        "closed": survey.closed,
        "packets": survey.packets,
        "packet_bytes": survey.bytes,
        "packets_lost": outcome.lost,
        "packets_late": outcome.late,
        "packets_twice": outcome.duplicates,
        "packets_malformed": survey.malformed,
        "packets_stray": survey.stray,
        "packets_of_unknown_type": survey.unknown,
        "frames": outcome.frames,
        "key_frames": outcome.keys,
        "frames_left_out": outcome.left_out,
        "streams": [
            {
                "ssrc": f"{stream.ssrc:08x}",
                "codec": stream.codec.name,
                "packets": stream.packets,
                "began_ms": ms(stream.first_ns),
                "ended_ms": ms(stream.last_ns),
                "aligned_by_ms": [round(one.shift_ns / 1e6, 1) for one in stream.stretches][:100],
            }
            for stream in survey.streams
        ],
        "sizes": [{"at_ms": ms(at), "width": width, "height": height} for at, width, height in outcome.sizes],
        "gaps": [_gap(gap, ms) for gap in outcome.gaps],
        "gaps_not_listed": outcome.gaps_not_listed,
        "marks": [
            {"at_ms": ms(mark["at_ns"]), "kind": mark["kind"], "facts": mark["facts"]}
            for mark in survey.marks
        ],
        "parts": [_part(part) for part in parts],
        "chain_end": parts[-1].chain_end if parts else "",
    }


def _gap(gap: Gap, ms: Any) -> dict[str, Any]:
    return {
        "kind": gap.kind,
        "from_ms": ms(gap.from_ns),
        "to_ms": ms(gap.to_ns),
        "count": gap.count,
        "reason": gap.reason,
    }


def _part(part: Part) -> dict[str, Any]:
    return {
        **_file(part.path.parent, part.path),
        "blocks": part.blocks,
        "last_block": part.last_block,
        "chain_end": part.chain_end,
        "unusable": [{"offset": one.offset, "bytes": one.length, "kind": one.kind} for one in part.damage],
    }


def _file(folder: Path, path: Path) -> dict[str, Any]:
    digests = digests_of(path)
    name = path.relative_to(folder).as_posix()
    return {"file": name, "size": digests.size, "sha256": digests.sha256, "sm3": digests.sm3}


def write_sealed(
    folder: Path, name: str, seal_name: str, facts: Mapping[str, Any], provider: EvidenceProvider
) -> None:
    """Write the facts, then their seal; the seal last: a file without one is not finished and is made anew."""
    _write(folder / name, canonical(facts))
    _write(folder / seal_name, canonical(provider.seal(name, digests_of(folder / name))))


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def load(path: Path) -> dict[str, Any]:
    """A manifest or seal. Raises ``ManifestInvalid`` for anything that is not one."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ManifestInvalid(f"{path.name} is too large")
        facts = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise ManifestInvalid(f"{path.name} is missing") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ManifestInvalid(f"{path.name} cannot be read") from error
    if not isinstance(facts, dict):
        raise ManifestInvalid(f"{path.name} is not what it should be")
    return facts
