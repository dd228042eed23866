"""The collection of law: put in whole, found by words and numbers, alike on both databases."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.errors import LawMoved
from switchboard.law import Article, Library, read_articles
from switchboard.law.files import SAMPLE
from switchboard.law.model import in_chinese, label_of, number_of
from switchboard.law.words import read_question
from switchboard.records import Records


@pytest.fixture
async def library(records: Records) -> Library:
    return Library(records.database)


@pytest.fixture
async def sample(library: Library) -> Library:
    await library.put(read_articles(SAMPLE))
    return library


def article(law: str, number: int, text: str, title: str = "") -> Article:
    return Article(law, f"第{in_chinese(number)}条", text, title, dt.date(2020, 1, 1), "test", number)


async def found(library: Library, typed: str) -> list[tuple[str, int | None]]:
    answer = await library.search(typed)
    return [(one.article.law.removeprefix("中华人民共和国"), one.article.number) for one in answer.items]


async def test_the_sample_collection_says_of_every_article_when_and_from_where(sample: Library) -> None:
    laws = await sample.laws()
    assert sum(law.articles for law in laws) >= 60
    assert all(law.effective and "not the official text" in law.source for law in laws)


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("劳动合同法 82", ("劳动合同法", 82)),
        ("劳动合同法82条", ("劳动合同法", 82)),
        ("劳动合同法第八十二条", ("劳动合同法", 82)),
        ("82 劳动合同法", ("劳动合同法", 82)),
        ("中华人民共和国劳动合同法 第82条", ("劳动合同法", 82)),
        ("民法典第1079条", ("民法典", 1079)),
        ("第一千零七十七条", ("民法典", 1077)),
        ("刑法276", ("刑法", 276)),
        ("二倍工资", ("劳动合同法", 82)),
        ("离婚 冷静期", ("民法典", 1077)),
        ("仲裁时效", ("劳动争议调解仲裁法", 27)),
        ("LPR四倍 民间借贷", ("最高人民法院关于审理民间借贷案件适用法律若干问题的规定", 25)),
        ("高利贷", ("最高人民法院关于审理民间借贷案件适用法律若干问题的规定", 25)),
        ("家暴", ("反家庭暴力法", 16)),
        ("试用期最长多久", ("劳动合同法", 19)),
    ],
)
async def test_an_article_is_found_however_somebody_asks_for_it(
    sample: Library, typed: str, first: tuple[str, int]
) -> None:
    assert (await found(sample, typed))[0] == first


@pytest.mark.parametrize(
    "typed", ["", " ", "。，！", "<script>", "%", "_", "' OR 1=1 --", "𠮷", "9999", "\u0000"]
)
async def test_a_question_without_an_answer_is_no_mistake(sample: Library, typed: str) -> None:
    assert (await sample.search(typed)).items == ()


async def test_a_figure_may_be_a_word_of_the_text(library: Library) -> None:
    await library.put([article("甲法", 1, "罚款500元"), article("乙法", 2, "罚款一千元")])
    assert (await found(library, "罚款500"))[0] == ("甲法", 1)
    assert (await found(library, "罚款 500"))[0] == ("甲法", 1)


async def test_articles_with_every_word_come_before_those_with_some(library: Library) -> None:
    await library.put(
        [
            article("甲法", 1, "租赁合同应当书面。"),
            article("甲法", 2, "押金应当退还。"),
            article("甲法", 3, "租赁期满，押金应当退还给承租人。"),
        ]
    )
    answer = await library.search("租赁 押金")
    assert answer.items[0].article.number == 3
    assert [one.whole for one in answer.items] == [True, False, False]
    assert answer.words == ("租赁", "押金")


async def test_words_that_stand_nowhere_together_are_marked_in_pairs(library: Library) -> None:
    await library.put([article("甲法", 1, "拖欠工资的，应当支付。")])
    assert (await library.search("拖欠工资怎么办")).words[:3] == ("拖欠", "欠工", "工资")
    assert (await library.search("拖欠工资")).words == ("拖欠工资",)


async def test_a_law_imported_again_takes_the_place_of_what_was_there(library: Library) -> None:
    await library.put(
        [article("甲法", 1, "旧的文字"), article("甲法", 2, "旧的第二条"), article("乙法", 1, "留下")]
    )
    assert await library.put([article("甲法", 1, "新的文字")]) == 2
    assert await found(library, "旧的") == []
    assert await found(library, "新的文字") == [("甲法", 1)]
    assert await found(library, "留下") == [("乙法", 1)]
    assert await library.remove("甲法") == 1
    assert await library.remove("甲法") == 0
    assert [law.law for law in await library.laws()] == ["乙法"]
    assert await library.remove("乙法") == 1
    answer = await library.search("留下")
    assert (answer.items, answer.articles) == ((), 0)


async def test_whoever_searches_during_an_import_finds_all_of_the_old_or_all_of_the_new(
    library: Library,
) -> None:
    def edition(word: str) -> list[Article]:
        return [article("甲法", n, f"{word}条文{in_chinese(n)}") for n in range(1, 40)]

    await library.put(edition("旧版"))
    importing = asyncio.create_task(library.put(edition("新版")))
    seen: set[tuple[int, int]] = set()
    while not importing.done():
        answer = await library.search("条文", limit=50)
        old = sum("旧版" in one.article.text for one in answer.items)
        seen.add((old, len(answer.items) - old))
    await importing
    assert seen <= {(39, 0), (0, 39)}
    assert await found(library, "旧版条文") == [] or all(
        not one.whole for one in (await library.search("旧版条文")).items
    )


async def test_of_two_imports_at_once_one_is_told_and_nothing_is_mixed(library: Library) -> None:
    texts = [[article("甲法", n, f"文字{word}") for n in range(1, 30)] for word in ("一", "二")]
    outcomes = await asyncio.gather(*(library.put(text) for text in texts), return_exceptions=True)
    assert [type(one) for one in outcomes if isinstance(one, BaseException)] in ([], [LawMoved])
    answer = await library.search("文字", limit=50)
    assert len({one.article.text for one in answer.items}) == 1
    assert len(answer.items) == 29


@given(st.integers(0, 9_999))
def test_a_number_survives_its_writing_in_chinese(number: int) -> None:
    assert number_of(in_chinese(number)) == number


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ("82", ("第八十二条", 82)),
        ("第82条", ("第八十二条", 82)),
        ("第一千零八条", ("第一千零八条", 1008)),
        ("第十条", ("第十条", 10)),
        ("276之一", ("第二百七十六条之一", 276)),
        ("第二百七十六条之一", ("第二百七十六条之一", 276)),
        ("附则", ("附则", None)),
        ("", ("", None)),
    ],
)
def test_labels_are_written_one_way(written: str, label: tuple[str, int | None]) -> None:
    assert label_of(written) == label


@given(st.text(max_size=200))
def test_every_question_can_be_read(typed: str) -> None:
    question = read_question(typed)
    assert all(question.words)
