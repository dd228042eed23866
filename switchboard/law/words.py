"""Text cut into what is looked up: each Chinese character, each pair of neighbours, each Latin word or figure.

Chinese is written without spaces, and most words have two characters: pairs need no dictionary, find every word
whatever the collection is about, and behave alike on every database.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from switchboard.law.model import NUMERAL, number_of

MOST_QUERY = 100
MOST_GRAMS = 24
LONGEST_GRAM = 16

_RUN = re.compile(r"[0-9a-z]+|[\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
_NUMBERED = re.compile(rf"第\s*([0-9]{{1,4}}|[{NUMERAL}]{{1,9}})\s*条|([0-9]{{1,4}})\s*条")
_AT_AN_END = re.compile(r"(?<![0-9])([0-9]{1,4})\s*$|^\s*([0-9]{1,4})(?=\s)")


EVERYDAY = {
    "家暴": "家庭暴力",
    "欠薪": "拖欠工资",
    "讨薪": "拖欠工资",
    "薪水": "工资",
    "加班费": "加班工资",
    "高利贷": "民间借贷利率",
    "彩礼": "借婚姻索取财物",
    "小产": "终止妊娠",
    "出轨": "与他人同居",
    "遗产": "继承",
    "房东": "出租人",
    "房客": "承租人",
    "车祸": "交通事故",
    "辞退": "解除劳动合同",
    "开除": "解除劳动合同",
    "裁员": "经济性裁员",
    "狗咬": "饲养动物",
    "假货": "欺诈",
    "霸凌": "欺凌",
    "宅基": "宅基地",
}
"""What callers say, and how the law says it. Tried where no article has the caller's words."""


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody typed. ``words`` are looked for in the text; ``number`` is the article asked for, None for any.

    ``certain`` is False for a bare figure (劳动合同法 82), which may also be a word of the text.
    """

    words: tuple[str, ...]
    number: int | None = None
    certain: bool = True


def folded(text: str) -> str:
    """One writing for all: full-width figures and letters become ordinary ones, capitals small."""
    return unicodedata.normalize("NFKC", text).lower()


def runs(text: str) -> list[str]:
    """The unbroken pieces of Chinese and of Latin; grams never reach across punctuation."""
    return _RUN.findall(folded(text))


def grams(run: str) -> Iterator[str]:
    """What one run is found by in a question: a Latin word as it is, one character, or every pair."""
    if run.isascii() or len(run) == 1:
        yield run[:LONGEST_GRAM]
        return
    for place in range(len(run) - 1):
        yield run[place : place + 2]


def all_grams(text: str) -> Iterator[str]:
    """What a text is found by: the same, and each Chinese character alone."""
    for run in runs(text):
        yield from grams(run)
        if not run.isascii() and len(run) > 1:
            yield from run


def same_law(name: str, word: str) -> bool:
    """Whether ``word`` is the name of this law; every law may be called with the name of the country or without."""
    return _short(folded(name)) == _short(word)


def _short(name: str) -> str:
    return name.removeprefix("中华人民共和国")


def in_legal_words(question: Question) -> Question | None:
    """The same question as the law would put it; None where nothing is to be put otherwise."""
    said = " ".join(question.words)
    put = said
    for everyday, legal in EVERYDAY.items():
        if legal not in said:
            put = put.replace(everyday, f" {legal} ")
    if put == said:
        return None
    return Question(tuple(dict.fromkeys(runs(put))), question.number, question.certain)


def read_question(typed: str) -> Question:
    """Words and an article number, in any order: ``劳动合同法 82``, ``民法典第1079条``, ``拖欠工资 仲裁``."""
    text = folded(typed)[:MOST_QUERY]
    number, certain = None, True
    if found := _NUMBERED.search(text):
        number = number_of(found[1] or found[2])
    elif found := _AT_AN_END.search(text):
        number, certain = number_of(found[1] or found[2]), False
    if found and number is not None:
        text = f"{text[: found.start()]} {text[found.end() :]}"
    words = (_short(run) or run for run in runs(text))  # else every law of the country would be looked at
    return Question(tuple(dict.fromkeys(words)), number, certain)
