"""A sealed act for tests, and ways to tamper with it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from switchboard.evidence import Act, Member, Provider, seal

TITLE = '调解 · 李𬭚诉王㛃䶮 <b>&"'


def sealed_act(folder: Path, provider: Provider, name: str = "act") -> Path:
    recording = folder / "talk.mka"
    recording.write_bytes(bytes(range(256)) * 40)
    members = [
        Member("papers/agreement.pdf", b"%PDF-1.7 agreement", "paper", "调解协议书"),
        Member("recordings/talk.mka", recording, "recording", "录音"),
        Member("empty.txt", b""),
    ]
    events = [{"kind": "arrived", "at_ms": 1}, {"kind": "paper", "by": "王㛃䶮", "n": [1, {"b": None}]}]
    act = Act("act-1", "c-1", TITLE, members, events, {"place": "青山村", "parties": 2})
    return seal(act, folder / f"{name}.evidence.zip", provider).path


def tampered(whole: bytes) -> Iterator[tuple[str, bytes]]:
    """(what was done, the bytes): each still a file that some program would open."""
    yield "a byte before", b"\0" + whole
    yield "a byte behind", whole + b"\0"
    yield "a second archive behind", whole + whole
    yield "cut off", whole[:-1]
    yield "a comment", whole[:-2] + b"\x02\x00hi"
    yield "content", whole.replace(b"%PDF-1.7 agreement", b"%PDF-1.7 Agreement")
    yield "a name in the directory only", _last(whole, b"papers/agreement.pdf", b"papers/Agreement.pdf")
    yield "a name everywhere", whole.replace(b"papers/agreement.pdf", b"papers/agreemenT.pdf")
    yield "a path outwards", whole.replace(b"papers/agreement.pdf", b"../ers/agreement.pdf")
    yield "a member twice", _again(whole, double="papers/agreement.pdf")
    yield "another order", _again(whole, turn=True)
    yield "a member more", _again(whole, more=True)
    yield "a member less", _again(whole, less="empty.txt")
    yield "compressed", _again(whole, method=zipfile.ZIP_DEFLATED)
    yield "the manifest's title", whole.replace("调解 ·".encode(), "调停 ·".encode())


def _last(whole: bytes, old: bytes, new: bytes) -> bytes:
    at = whole.rindex(old)
    return whole[:at] + new + whole[at + len(old) :]


def _again(
    whole: bytes,
    *,
    double: str = "",
    turn: bool = False,
    more: bool = False,
    less: str = "",
    method: int = zipfile.ZIP_STORED,
) -> bytes:
    """The same members packed by another program."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(out, "w", method) as new:
        infos = old.infolist()
        for info in reversed(infos) if turn else infos:
            if info.filename == less:
                continue
            new.writestr(zipfile.ZipInfo(info.filename), old.read(info), method)
            if info.filename == double:
                info = zipfile.ZipInfo(f"{info.filename}x")
                new.writestr(info, b"other")
        if more:
            new.writestr("more.txt", b"more")
    return out.getvalue().replace(b"agreement.pdfx", b"agreement.pdf") if double else out.getvalue()
