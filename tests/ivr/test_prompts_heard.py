"""What counts as misheard when a recognizer listens to the prompts (`ivr.prompts.recipe.verify`)."""

from __future__ import annotations

import pytest

from ivr.prompts.recipe.verify import Heard, composed, distance, judge, report
from ivr.prompts.texts import Phrase


def said(words: str) -> Phrase:
    return Phrase("k", words, words, "af_heart", 0.9, "en")


@pytest.mark.parametrize(
    ("words", "heard", "wrong"),
    [
        ("Press one, please.", "press 1 please", 0),
        ("The wait is about twenty to thirty minutes.", "The weight is about 20-30 minutes.", 0),
        ("one two three four eight", "12-348", 0),
        ("one two three four eight", "12347", 1),
        ("November the twenty-second", "November the 22nd.", 0),
        ("November the thirtieth", "November the 13th.", 1),
        ("Please stay on the line.", "Please stay online.", 3),
        ("Please stay on the line.", "", 5),
    ],
)
def test_digits_and_homophones_count_as_right_and_other_words_do_not(
    words: str, heard: str, wrong: int
) -> None:
    assert judge(said(words), "en", heard).wrong == wrong


def test_a_sign_with_several_readings_is_right_in_any_of_them() -> None:
    xing, either = frozenset({"xing"}), frozenset({"xing", "hang"})
    assert distance([xing], [either]) == 0
    assert distance([xing], [frozenset({"hang"})]) == 1
    assert distance([xing, xing], [xing]) == 1


def test_the_report_fails_above_the_rate_that_is_allowed(capsys: pytest.CaptureFixture[str]) -> None:
    results = [Heard(said("a b"), "en", "a b", 0, 2), Heard(said("c d"), "en", "c", 1, 2)]
    assert report(results, 0.25)
    assert not report(results, 0.24)
    assert "en: 1/4 units wrong = 25.0%; 1 of 2 perfect" in capsys.readouterr().out


def test_composed_samples_are_the_same_each_time_and_of_every_kind() -> None:
    first, again = list(composed(2)), list(composed(2))
    assert first == again
    assert {name for name, _, _ in first} == {
        f"composed {what}, {language}" for what in ("number", "date", "moment") for language in ("zh", "en")
    }
    assert all(phrase.said and sound for _, phrase, sound in first)
