"""Files of articles: three kinds, each with every wrong row named; and the command line."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from switchboard.cli import app
from switchboard.errors import LawFileInvalid
from switchboard.law.files import Defaults, read_articles

TXT = """中华人民共和国示范法
(本页仅供测试)
施行日期：2021年1月1日
来源:测试
第一章 总则
第一条 为了测试，制定本法。
第二条　测试应当真实。
不真实的，应当改正。
第二章 附 则
第三条之一 自公布之日起施行。
"""


def written(folder: Path, name: str, text: str | bytes) -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def problems(file: Path) -> list[str]:
    with pytest.raises(LawFileInvalid) as raised:
        read_articles(file)
    return raised.value.problems


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_plain_text_is_cut_at_its_articles(tmp_path: Path, encoding: str) -> None:
    found = read_articles(written(tmp_path, "law.txt", TXT.encode(encoding)))
    assert [(one.article, one.number, one.title) for one in found] == [
        ("第一条", 1, "第一章 总则"),
        ("第二条", 2, "第一章 总则"),
        ("第三条之一", 3, "第二章 附 则"),
    ]
    assert found[1].text == "测试应当真实。\n不真实的，应当改正。"
    assert {(one.law, one.effective, one.source) for one in found} == {
        ("中华人民共和国示范法", dt.date(2021, 1, 1), "测试")
    }


def test_a_spreadsheet_may_have_chinese_headings_in_any_order(tmp_path: Path) -> None:
    text = (
        '条号,法律名称,内容,施行日期\r\n82,《甲法》,"第一行\n第二行",2008/1/1\r\n,,,\r\n第83条,甲法,文字,\r\n'
    )
    found = read_articles(written(tmp_path, "law.csv", text.encode("gb18030")))
    assert [(one.law, one.article, one.effective) for one in found] == [
        ("甲法", "第八十二条", dt.date(2008, 1, 1)),
        ("甲法", "第八十三条", None),
    ]
    assert found[0].text == "第一行\n第二行"


def test_what_the_file_does_not_say_may_be_said_beside_it(tmp_path: Path) -> None:
    file = written(tmp_path, "law.jsonl", '{"article": 3, "text": "文字"}\n')
    [one] = read_articles(file, Defaults("甲法", "2008-01-01", "官网"))
    assert (one.law, one.article, one.effective, one.source) == (
        "甲法",
        "第三条",
        dt.date(2008, 1, 1),
        "官网",
    )


def test_every_wrong_row_is_named(tmp_path: Path) -> None:
    rows = [
        {"law": "甲法", "article": "1", "text": "文字"},
        {"law": "甲法", "article": "第一条", "text": "又一次"},
        {"law": "甲法", "article": "2"},
        {"law": "甲法", "article": "3", "text": "x" * 20_001},
        {"law": "甲法", "article": "4", "text": "文字", "effective": "昨天"},
        {"law": "甲法", "article": "5", "text": "文字", "colour": "red"},
        {"law": "甲法", "article": "6", "text": ["文字"]},
        {"law": "甲法", "article": "7", "text": "a\x00b"},
    ]
    text = "\n".join([*(json.dumps(row) for row in rows), "{", "[]"])
    told = problems(written(tmp_path, "law.jsonl", text))
    assert [line.partition(":")[0] for line in told] == [f"line {n}" for n in (2, 3, 4, 5, 6, 7, 8, 9, 10)]
    assert "第一条 of this law is on line 1 already" in told[0]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("law.csv", "law,text\n甲,乙\n", "missing: article"),
        ("law.csv", "", "missing: law, article, text"),
        ("law.txt", "没有条文", "no article"),
        ("law.jsonl", "", "no article"),
        ("law.docx", "x", ".jsonl, .csv or .txt"),
        ("law.txt", b"\xff\xff\xff", "neither UTF-8 nor GB18030"),
    ],
)
def test_a_file_that_is_none_is_told_so(tmp_path: Path, name: str, text: str | bytes, says: str) -> None:
    assert says in problems(written(tmp_path, name, text))[0]


def test_only_the_first_fifty_mistakes_are_named(tmp_path: Path) -> None:
    assert len(problems(written(tmp_path, "law.jsonl", "{\n" * 1_000))) == 50


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("SWITCHBOARD_DATA_DIR", str(tmp_path))
    return CliRunner()


def test_laws_are_imported_listed_found_and_removed_by_command(command: CliRunner, tmp_path: Path) -> None:
    file = written(tmp_path, "law.txt", TXT)
    done = command.invoke(app, ["law", "import", str(file)])
    assert (done.exit_code, "3 articles of 1 laws" in done.output) == (0, True)
    done = command.invoke(app, ["law", "import", "--sample"])
    assert done.exit_code == 0
    assert "2021-01-01" in command.invoke(app, ["law", "list"]).output
    assert "第二条" in command.invoke(app, ["law", "search", "示范法", "2"]).output
    assert command.invoke(app, ["law", "remove", "中华人民共和国示范法"]).exit_code == 0
    assert command.invoke(app, ["law", "remove", "中华人民共和国示范法"]).exit_code == 2


@pytest.mark.parametrize("arguments", [[], ["nowhere.txt"], ["x.txt", "--sample"]])
def test_an_import_that_cannot_be_done_says_so_and_ends_with_2(
    command: CliRunner, arguments: list[str]
) -> None:
    assert command.invoke(app, ["law", "import", *arguments]).exit_code == 2
