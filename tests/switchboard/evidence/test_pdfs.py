"""A signed PDF: one changed bit anywhere is found, and so is whatever is added to it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from switchboard.evidence import Provider, open_provider
from switchboard.evidence.errors import PdfUnreadable
from switchboard.evidence.pdf_checking import check_pdf
from switchboard.evidence.pdfs import Field, Mark, PdfSealer
from switchboard.papers.fonts import fonts_of
from switchboard.papers.rendering import render
from tests.support.papers import agreement, hand


@pytest.fixture(scope="module")
def drafted(provider: Provider) -> tuple[PdfSealer, bytes]:
    """An agreement with two fields, certified by the house."""
    made = render(agreement(), fonts_of())
    fields = [
        Field(f"Signer{n}", box.page, (box.left, box.bottom, box.right, box.top))
        for n, box in enumerate(made.boxes[:2])
    ]
    sealer = PdfSealer(provider)
    return sealer, sealer.prepare(made.pdf, fields, "青山村")


@pytest.fixture(scope="module")
def signed(drafted: tuple[PdfSealer, bytes]) -> bytes:
    sealer, pdf = drafted
    for n, name in enumerate(("李𬭚", "王㛃䶮")):
        pdf = sealer.sign(pdf, Mark(f"Signer{n}", name, f"identity=ic-{n}", "青山村", hand().picture()))
    return pdf


def holds(pdf: bytes, provider: Provider) -> bool:
    try:
        return check_pdf(pdf, provider.roots).holds
    except PdfUnreadable:
        return False


def test_a_signed_paper_holds_and_only_its_own_authority_is_trusted(
    signed: bytes, provider: Provider, tmp_path: Path
) -> None:
    report = check_pdf(signed, provider.roots)
    assert (report.holds, report.trusted, len(report.findings)) == (True, True, 3)
    assert report.facts["signatures"][2]["name"] == "王㛃䶮"
    for roots in ((), open_provider(tmp_path).roots):
        report = check_pdf(signed, roots)
        assert (report.holds, report.trusted) == (True, False)


def test_one_changed_bit_anywhere_is_found(signed: bytes, provider: Provider) -> None:
    """Most tries go to the place that no signature covers: the last signature itself."""
    last = signed.rindex(b"/Contents <")
    chance = random.Random(5)
    places = [chance.randrange(last, last + 9_000) for _ in range(36)]
    places += [chance.randrange(len(signed)) for _ in range(12)]
    for at in places:
        changed = bytearray(signed)
        changed[at] ^= 1 << chance.randrange(8)
        assert not holds(bytes(changed), provider), at


def test_whatever_is_added_or_taken_away_is_found(
    signed: bytes, drafted: tuple[PdfSealer, bytes], provider: Provider
) -> None:
    other = b"\n1 0 obj << /Type /Catalog >> endobj\ntrailer << /Root 1 0 R >>\n%%EOF\n"
    for changed in (
        signed + b"\n",
        b"\n" + signed,
        signed + other,
        signed[:-1],
        signed[: len(signed) // 2],
        b"",
        b"%PDF-",
    ):
        assert not holds(changed, provider)
    with pytest.raises(PdfUnreadable):
        check_pdf(render(agreement(), fonts_of()).pdf, provider.roots)
    sealer, draft = drafted
    with pytest.raises(Exception, match="Signer9"):
        sealer.sign(draft, Mark("Signer9", "x", "y", "z", hand().picture()))
