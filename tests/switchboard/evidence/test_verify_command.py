"""``switchboard verify`` says in plain words what holds, with an exit code for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner

from switchboard.cli import app
from switchboard.evidence import Provider
from switchboard.evidence.pdfs import PdfSealer
from switchboard.papers.fonts import fonts_of
from switchboard.papers.rendering import render
from tests.support.evidence import TITLE
from tests.support.papers import one_of_each


@pytest.fixture(scope="module")
def root(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("root") / "authority.pem"
    path.write_bytes(x509.load_der_x509_certificate(provider.roots[0]).public_bytes(Encoding.PEM))
    return path


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["verify", *map(str, arguments)], env={"COLUMNS": "200"})
    return result.exit_code, result.stdout


def test_words_and_exit_codes(act: Path, root: Path, tmp_path: Path) -> None:
    code, said = run(act, "--authority", root)
    assert (code, "全部相符" in said, TITLE in said) == (0, True, True)
    code, said = run(act)
    assert (code, "机构未经您确认" in said) == (3, True)
    copy = tmp_path / "a.zip"
    copy.write_bytes(act.read_bytes().replace(b"%PDF-1.7 agreement", b"%PDF-1.7 Agreement"))
    code, said = run(copy, "--authority", root)
    assert (code, "✗ papers/agreement.pdf" in said, "有改动" in said) == (1, True, True)
    copy.write_bytes(b"nothing")
    code, said = run(copy)
    assert (code, "无法读取" in said) == (2, True)
    assert run(tmp_path / "gone")[0] == 2


def test_programs_get_one_json_object(act: Path, root: Path, provider: Provider, tmp_path: Path) -> None:
    code, said = run(act, "--json", "--authority", root)
    told = json.loads(said)
    assert (code, told["outcome"], told["trusted"], told["facts"]["act"]) == (0, "holds", True, "act-1")
    assert {"events", "member", "stamp", "signature", "close"} == {one["code"] for one in told["findings"]}
    pdf = tmp_path / "paper.pdf"
    pdf.write_bytes(PdfSealer(provider).prepare(render(one_of_each()[4], fonts_of()).pdf, [], "x"))
    code, said = run(pdf, "--json", "--authority", root)
    assert (code, json.loads(said)["kind"]) == (0, "pdf")
    pdf.write_bytes(b"%PDF-1.4 nothing")
    assert (run(pdf, "--json")[0], json.loads(run(pdf, "--json")[1])["outcome"]) == (2, "unreadable")
