"""``switchboard verify FILE``: does a container or a signed PDF hold? Needs no server and no database."""

from __future__ import annotations

import hashlib
import json
import sys
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

if (
    TYPE_CHECKING
):  # what checks signatures takes half a second to load, which no other command should wait for
    from switchboard.evidence.findings import Report

out = Console()


class Outcome(IntEnum):
    """Exit codes."""

    HOLDS = 0
    ALTERED = 1
    UNREADABLE = 2
    UNKNOWN_AUTHORITY = 3


_WORDS = {
    Outcome.HOLDS: ("✓ 全部相符，由所给机构封存", "Everything holds, sealed under the authority named"),
    Outcome.ALTERED: ("✗ 有改动：见上面打 ✗ 的各行", "Something was altered: see the lines marked ✗"),
    Outcome.UNREADABLE: (
        "✗ 无法读取，或不是本系统封存的文件",
        "Cannot be read, or is no file sealed by a switchboard",
    ),
    Outcome.UNKNOWN_AUTHORITY: (
        "? 封存后未改动，但封存机构未经您确认：请把上面的机构指纹与该单位公布的核对，"
        "或用 --authority 给出其证书",
        "Unchanged since it was sealed, but by an authority that you have not named: compare the fingerprint above "
        "with the one that the house has published, or give its certificate with --authority",
    ),
}


def verify(
    file: Annotated[Path, typer.Argument(help="a container (….evidence.zip) or a signed PDF")],
    authority: Annotated[
        list[Path] | None, typer.Option(help="PEM file of an authority that you trust; may be repeated")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object instead of words")] = False,
) -> None:
    """Say whether a sealed act or a signed paper is unchanged. Exit code 0: it holds; 1: altered; 2: cannot be read;
    3: unchanged, but sealed by an authority that was not named."""
    from switchboard.evidence.errors import EvidenceError

    try:
        report = _checked(file, _roots(authority or []), quiet=as_json)
    except (OSError, EvidenceError, ValueError) as error:
        outcome, said = (
            Outcome.UNREADABLE,
            str(error) if isinstance(error, EvidenceError) else type(error).__name__,
        )
        if as_json:
            print(json.dumps({"file": file.name, "outcome": outcome.name.lower(), "error": said}))
        else:
            out.print(_WORDS[outcome][0], style="bold red", highlight=False)
            out.print(f"{_WORDS[outcome][1]} ({said})", highlight=False, markup=False)
        raise typer.Exit(outcome) from None
    outcome = _outcome(report)
    if as_json:
        print(json.dumps(_described(file, report, outcome), ensure_ascii=False))
    else:
        _say(report, outcome)
    raise typer.Exit(outcome)


def _roots(files: list[Path]) -> list[bytes]:
    """Raises ValueError, OSError."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    return [
        one.public_bytes(Encoding.DER)
        for file in files
        for one in x509.load_pem_x509_certificates(file.read_bytes())
    ]


def _checked(file: Path, roots: list[bytes], *, quiet: bool) -> Report:
    from switchboard.evidence.checking import check_container
    from switchboard.evidence.errors import PdfUnreadable
    from switchboard.evidence.pdf_checking import MOST_PDF_BYTES, check_pdf

    with file.open("rb") as opened:
        head = opened.read(5)
    if head == b"%PDF-":
        if file.stat().st_size > MOST_PDF_BYTES:
            raise PdfUnreadable("too large")
        return check_pdf(file.read_bytes(), roots)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out, transient=True, disable=quiet or not sys.stdout.isatty()) as bar:
        task = bar.add_task("核验 · checking", total=1.0)
        return check_container(file, roots, lambda share: bar.update(task, completed=share))


def _outcome(report: Report) -> Outcome:
    if not report.holds:
        return Outcome.ALTERED
    return Outcome.HOLDS if report.trusted else Outcome.UNKNOWN_AUTHORITY


def _say(report: Report, outcome: Outcome) -> None:
    if report.title:
        out.print(report.title, style="bold", markup=False, highlight=False)
    for finding in report.findings:
        sign, style = ("✓", "green") if finding.holds else ("✗", "bold red")
        out.print(f"{sign} {finding.what}：{finding.zh}", style=style, markup=False, highlight=False)
        out.print(f"    {finding.en}", style="dim", markup=False, highlight=False)
    for one in report.facts.get("signatures", ()):
        out.print(f"  {one['field']}  {one['name']}  {one['place']}", markup=False, highlight=False)
    if report.stamped_at:
        said = report.stamped_at.isoformat(timespec="seconds")
        out.print(f"时间戳 · time stamp: {said}", highlight=False)
    if report.authority:
        out.print(f"机构指纹 · authority (SHA-256): {report.authority}", highlight=False)
    good = outcome == Outcome.HOLDS
    out.print(_WORDS[outcome][0], style="bold green" if good else "bold", highlight=False, markup=False)
    out.print(_WORDS[outcome][1], highlight=False, markup=False)


def _described(file: Path, report: Report, outcome: Outcome) -> dict[str, Any]:
    return {
        "file": file.name,
        "kind": report.kind,
        "outcome": outcome.name.lower(),
        "holds": report.holds,
        "trusted": report.trusted,
        "authority_sha256": report.authority,
        "stamped_at": report.stamped_at.isoformat() if report.stamped_at else None,
        "title": report.title,
        "facts": report.facts,
        "findings": [finding.described() for finding in report.findings],
    }


def court_page_command(
    target: Annotated[Path, typer.Argument(help="where to write it, as verify.html")],
) -> None:
    """Write the page with which a court checks containers in a browser, without any server."""
    from switchboard.evidence.page import court_page

    content = court_page()
    target.write_text(content, encoding="utf-8")
    out.print(f"{target}  SHA-256 {hashlib.sha256(content.encode()).hexdigest()}", highlight=False)
