"""Papers say every word that was put in, letter by letter, and nothing that was put in becomes a command."""

from __future__ import annotations

from dataclasses import replace

import pypdfium2
import pytest
from fontTools.ttLib import TTCollection
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from switchboard.papers.coverage import letters_of
from switchboard.papers.errors import LetterMissing, PaperUnfit
from switchboard.papers.fonts import FOLDERS, Fonts, fonts_of
from switchboard.papers.model import ConsultationSummary, Paper, concerns_of, texts_of
from switchboard.papers.rendering import render
from tests.support.papers import SIGNERS, agreement, one_of_each


@pytest.fixture(scope="module")
def fonts() -> Fonts:
    return fonts_of()


def text_of(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(pdf)
    pages = [document[n].get_textpage().get_text_bounded() for n in range(len(document))]
    return "".join("".join(pages).split()).replace("\u200b", "").replace("\ufffe", "")


@pytest.mark.parametrize("paper", one_of_each(), ids=lambda paper: paper.kind)
def test_each_kind_says_all_of_its_words_and_comes_out_the_same_twice(paper: Paper, fonts: Fonts) -> None:
    made = render(paper, fonts)
    assert render(paper, fonts) == made
    said = text_of(made.pdf)
    assert said.count(paper.title) == 1
    kept = [text for where, text in texts_of(paper) if not where.endswith(".id")]
    missing = [text for text in kept if "".join(text.split()) not in said]
    assert missing == []
    assert [box.signer for box in made.boxes] == [signer.id for signer in paper.signers]
    for box in made.boxes:
        assert 0 < box.left < box.right < 596
        assert 0 < box.bottom < box.top < 842


def test_an_agreement_has_what_the_law_asks_for(fonts: Fonts) -> None:
    said = text_of(render(agreement(), fonts).pdf)
    for word in (
        "当事人",
        "纠纷的主要事实",
        "争议事项",
        "各方的责任",
        "协议内容",
        "履行方式和期限",
        "各执一份",
    ):
        assert word in said
    for field in ("facts", "disputed", "responsibility", "performance", "deadline", "committee"):
        with pytest.raises(PaperUnfit, match=field):
            agreement(**{field: "  "})
    with pytest.raises(PaperUnfit, match="every party signs"):
        agreement(signers=SIGNERS[1:])
    with pytest.raises(PaperUnfit, match="U\\+202E"):
        agreement(facts="付\u202e款")


def test_a_paper_for_the_pen_says_so_on_the_line(fonts: Fonts) -> None:
    assert concerns_of("inheritance") == ("inheritance",)
    said = text_of(render(agreement(concerns=concerns_of("marriage_family")), fonts).pdf)
    assert "不适用电子签名（《电子签名法》第三条）" in said


def test_a_letter_that_no_font_has_is_named_and_never_printed_as_a_box(fonts: Fonts) -> None:
    fonts.check(["李𬭚王㛃䶮张𠮷"])
    with pytest.raises(LetterMissing) as refused:
        render(agreement(facts="他说🦄和𒀀"), fonts)
    assert refused.value.letters == ("𒀀", "🦄")
    assert "“🦄”（U+1F984）" in refused.value.zh


def test_a_word_without_any_place_to_break_stays_on_the_page(fonts: Fonts) -> None:
    pdf = render(agreement(facts="W" * 400), fonts).pdf
    page = pypdfium2.PdfDocument(pdf)[0]
    text = page.get_textpage()
    edges = [text.get_charbox(n)[2] for n in range(text.count_chars())]
    assert max(edges) < 596 - 40
    assert text_of(pdf).count("W") == 400


COMMANDS = (
    '#panic() #{read("/etc/passwd")} $x$ *b* _i_ `c` <l> @r // c /* c */ = h \\ \\u{41} #sys.inputs "; \')]}'
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@example(COMMANDS)
@example("[" * 300)
@example("\n\n = x\n- y\n+ z")
@given(
    st.text(
        alphabet=st.sampled_from("#$*_`<>@/\\=+-[]{}()\"'~&|;:!?%^.,0aZ一𠮷 \n"), min_size=1, max_size=120
    )
)
def test_what_people_write_is_never_a_command(fonts: Fonts, text: str) -> None:
    """Whatever is written comes out as it was written, and as nothing else."""
    plain = one_of_each()[3]
    assert isinstance(plain, ConsultationSummary)
    paper = replace(plain, question=f"甲{text}乙")
    said = text_of(render(paper, fonts).pdf)
    assert f"甲{''.join(text.split())}乙" in said
    assert len(said) == len(text_of(render(replace(plain, question="甲乙"), fonts).pdf)) + len(
        "".join(text.split())
    )


def test_the_quick_reader_of_fonts_knows_the_same_letters_as_the_thorough_one() -> None:
    path = FOLDERS[0] / "NotoSerifCJK-Regular.ttc"
    with TTCollection(path, lazy=True) as collection:
        thorough = set(collection.fonts[2].getBestCmap())
    quick = {code for first, last in letters_of(path, 2) for code in range(first, last + 1)}
    assert quick == thorough
