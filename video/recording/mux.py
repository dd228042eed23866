"""From tapes to media files, without transcoding, then manifest and seal.

`python -m video.recording.mux FOLDER`: a process of its own with low priority. Prints one JSON object a line:
{"progress": 0.4, "step": "media"}, last {"progress": 1.0, "step": "done"}, or {"error": code, "text": ...} and exit
code 1. Killed at any moment and started again it gives the same media files, byte for byte; a folder that is sealed
already is left as it is.
"""

from __future__ import annotations

import argparse
import fcntl
import heapq
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from video.recording.errors import NothingRecorded, RecordingError, StillRunning, TapeUnreadable
from video.recording.evidence import LocalSeal
from video.recording.manifest import SEAL, MediaFile, describe, described_empty, write_sealed
from video.recording.matroska import MatroskaWriter, MediaTrack, suffix
from video.recording.model import Codec
from video.recording.reading import Clock, Outcome, Survey, TimedFrame, TrackTape, stems
from video.recording.tape import MANIFEST
from video.recording.timeline import align

MEDIA = "media"
NICE = 15
_LAST_FRAME_NS = 40_000_000  # how long the last picture stands when nothing tells
_SAY_EVERY_BYTES = 4 << 20


@dataclass(slots=True)
class Work:
    """A track on its way: its tape, what the survey found, and what came out."""

    stem: str
    tape: TrackTape
    survey: Survey
    outcome: Outcome = field(default_factory=Outcome)


@contextmanager
def folder_for_oneself(folder: Path) -> Iterator[None]:
    """Keep other processes out of the folder. Raises ``StillRunning``, also while one of its tapes is being written."""
    handles: list[int] = []
    try:
        for path in (folder, *sorted(folder.glob("*.tape"))):
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            handles.append(handle)
            try:
                fcntl.flock(handle, (fcntl.LOCK_EX if path == folder else fcntl.LOCK_SH) | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StillRunning("a tape is being written, or another process is at work here") from error
        yield
    finally:
        for handle in handles:
            os.close(handle)


def process(
    folder: Path,
    seal: LocalSeal,
    say: Callable[[float, str], None] = lambda share, step: None,
    ended: str = "",
) -> bool:
    """Make media files, manifest and seal. Returns False when that had been done already.

    ``ended``: what ended the recording, when nobody did ("killed"): it stands in the manifest, with what is missing
    since; such a folder is sealed even when nothing is on its tapes.

    Raises ``StillRunning``, ``NothingRecorded``, OSError (a full disk).
    """
    with folder_for_oneself(folder):
        if (folder / MANIFEST).exists() and (folder / SEAL).exists():
            return False
        works, unreadable = _survey(folder, say)
        if not works and ended:
            facts = {**described_empty(folder), "ended": ended}
            write_sealed(folder, MANIFEST, SEAL, facts, seal)
            return True
        if not works:
            raise NothingRecorded("no tape with a packet on it")
        base = min((work.survey.clock for work in works), key=lambda clock: clock.wall_ns)
        media = _make_all(folder, works, base, say)
        say(0.95, "digests")
        facts = describe(folder, base, [(one.survey, one.outcome) for one in works], media, unreadable)
        if ended:
            facts |= {"ended": ended, "gaps": [_since_then(facts, base, ended)]}
        write_sealed(folder, MANIFEST, SEAL, facts, seal)
        return True


def _since_then(facts: dict[str, Any], base: Clock, ended: str) -> dict[str, Any]:
    """From the last packet on any tape until now: nobody was there to record."""
    last_ms = max((track["ended_ms"] or 0 for track in facts["tracks"]), default=0)
    now_ms = (time.time_ns() - base.wall_ns) // 1_000_000
    return {"kind": ended, "from_ms": last_ms, "to_ms": max(last_ms, now_ms)}


def _survey(folder: Path, say: Callable[[float, str], None]) -> tuple[list[Work], list[str]]:
    done, total = 0, max(1, sum(path.stat().st_size for path in folder.glob("*.tape")))
    said = 0

    def progress(count: int) -> None:
        nonlocal done, said
        done += count
        if done - said >= _SAY_EVERY_BYTES:
            said = done
            say(min(0.9, 0.45 * done / total), "media")

    tapes, unreadable = [], []
    for stem in stems(folder):
        try:
            tapes.append((stem, TrackTape(folder, stem, progress)))
        except TapeUnreadable:
            unreadable.append(stem)
    if not tapes:
        return [], unreadable
    base = min((tape.clock for _, tape in tapes), key=lambda clock: clock.wall_ns)
    works = []
    for stem, tape in tapes:
        tape.base = base
        works.append(Work(stem, tape, tape.survey()))
    return [work for work in works if work.survey.packets or work.survey.marks], unreadable


def _make_all(
    folder: Path, works: list[Work], base: Clock, say: Callable[[float, str], None]
) -> list[MediaFile]:
    bundles: dict[tuple[str, str], list[Work]] = {}
    for work in works:
        bundles.setdefault((work.survey.track.participant, work.survey.track.bundle), []).append(work)
    for participant in {name for name, _ in bundles}:
        own = [work for work in works if work.survey.track.participant == participant]
        align(_stretches(own, "audio"), _stretches(own, "video"))
    media: list[MediaFile] = []
    for (participant, bundle), members in sorted(bundles.items()):
        made = _make_bundle(folder, f"{participant}.{bundle}", members, base)
        if made is not None:
            media.append(made)
        say(0.45 + 0.5 * len(media) / len(bundles), "media")
    return media


def _stretches(works: list[Work], kind: str) -> list:
    streams = (stream for work in works if work.survey.track.kind == kind for stream in work.survey.streams)
    return [stretch for stream in streams for stretch in stream.stretches]


@dataclass(slots=True)
class _Lane:
    """One track of the media file: a codec of a tape, and the frame it ended with."""

    work: Work
    codec: Codec
    media: MediaTrack
    last_ms: int = -1
    step_ms: int = 0
    frames: int = 0


def _make_bundle(folder: Path, name: str, members: list[Work], base: Clock) -> MediaFile | None:
    """One media file; None when none of its tapes gives a frame (the gaps tell why)."""
    lanes, begins = _lanes(members)
    if not lanes:
        for work in members:
            frames, work.outcome = work.tape.frames(work.survey)
            for _ in frames:
                pass
        return None
    began_ns = min(begins)
    path = folder / MEDIA / f"{name}{suffix([lane.media for lane in lanes])}"
    path.parent.mkdir(exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("wb", buffering=1 << 18) as file:
        writer = MatroskaWriter(
            file, [lane.media for lane in lanes], title=name, began_wall_ns=base.wall_at(began_ns)
        )
        duration_ms = _write_frames(writer, members, lanes, began_ns)
        writer.finish(duration_ms)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    tracks = [(lane.work.survey.track.name, lane.codec.name, lane.frames) for lane in lanes]
    participant, bundle = name.split(".")
    return MediaFile(path, participant, bundle, began_ns, duration_ms, tracks)


def _lanes(members: list[Work]) -> tuple[list[_Lane], list[int]]:
    """A lane for each codec of each tape, pictures first; needs each codec's first frame. And when those frames are."""
    lanes, begins = [], []
    for work in sorted(members, key=lambda one: (one.survey.track.kind != "video", one.stem)):
        wanted = {stream.codec.name: stream.codec for stream in work.survey.streams}
        frames, _ = work.tape.frames(work.survey)
        found: set[str] = set()
        for timed in frames:
            if timed.codec.name in found:
                continue
            found.add(timed.codec.name)
            begins.append(timed.at_ns)
            lanes.append(_Lane(work, timed.codec, _media_track(work, timed)))
            if len(found) == len(wanted):
                break
    return lanes, begins


def _media_track(work: Work, timed: TimedFrame) -> MediaTrack:
    size, name = timed.frame.size, timed.codec.name
    stereo = any(stream.stereo for stream in work.survey.streams)
    return MediaTrack(
        name,
        work.survey.track.name,
        size.width if size else 0,
        size.height if size else 0,
        2 if stereo and name == "opus" else 1,
        timed.frame.config,
    )


def _write_frames(writer: MatroskaWriter, members: list[Work], lanes: list[_Lane], began_ns: int) -> int:
    """All frames of all tapes, by time. Returns the duration in ms."""
    index = {(id(lane.work), lane.codec.name): number for number, lane in enumerate(lanes)}
    sources = []
    for work in members:
        frames, work.outcome = work.tape.frames(work.survey)
        sources.append(_numbered(frames, id(work), index))
    end_ns = began_ns
    for timed, number in heapq.merge(*sources, key=lambda pair: pair[0].at_ns):
        lane = lanes[number]
        at_ms = max(0, (timed.at_ns - began_ns + 500_000) // 1_000_000)
        if at_ms <= lane.last_ms:
            at_ms = lane.last_ms + 1
        if lane.last_ms >= 0:
            lane.step_ms = at_ms - lane.last_ms
        writer.write(number, at_ms, timed.frame.data, key=timed.frame.key)
        lane.last_ms = at_ms
        lane.frames += 1
        last_for = timed.for_ns or min(lane.step_ms * 1_000_000, 1_000_000_000) or _LAST_FRAME_NS
        end_ns = max(end_ns, began_ns + at_ms * 1_000_000 + last_for)
    return (end_ns - began_ns) // 1_000_000


def _numbered(
    frames: Iterator[TimedFrame], work: int, index: dict[tuple[int, str], int]
) -> Iterator[tuple[TimedFrame, int]]:
    for timed in frames:
        yield timed, index[work, timed.codec.name]


def key_of(folder: Path, key: str | None) -> LocalSeal:
    """The seal's key: the file named, else `local-seal.key` beside the folder."""
    return LocalSeal.from_file(Path(key) if key else folder.resolve().parent / "local-seal.key")


def say_line(share: float, step: str) -> None:
    print(json.dumps({"progress": round(share, 3), "step": step}), flush=True)


def be_quiet() -> None:
    """Let everything else on the machine go first."""
    os.nice(NICE)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m video.recording.mux", description="Tapes to media and manifest."
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--key", help="the local seal's key file (made if missing)")
    parser.add_argument("--ended", default="", help="what ended it, when nobody did: killed")
    given = parser.parse_args(arguments)
    be_quiet()
    try:
        made = process(given.folder, key_of(given.folder, given.key), say_line, given.ended)
    except (RecordingError, OSError, ValueError) as error:
        code = getattr(error, "code", "recording.disk" if isinstance(error, OSError) else "recording.error")
        print(json.dumps({"error": code, "text": str(error)}), flush=True)
        return 1
    say_line(1.0, "done" if made else "done before")
    return 0


if __name__ == "__main__":
    sys.exit(main())
