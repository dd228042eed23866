"""The survey takes one key a question, keeps what was answered, and leaves the silent in peace."""

from __future__ import annotations

import pytest

from ivr.hotline import Survey
from ivr.survey import survey
from tests.support.voice import ScriptedVoice


@pytest.mark.parametrize(
    ("keys", "answers", "questions"),
    [
        ("123", {"patient": "1", "polite": "2", "efficient": "3"}, 3),
        ("--", {}, 2),
        ("1--", {"patient": "1"}, 3),
        ("-1-", {"polite": "1"}, 3),
        ("1-3", {"patient": "1", "efficient": "3"}, 3),
        ("9123", {"patient": "1", "polite": "2", "efficient": "3"}, 4),
        ("9912", {"polite": "1", "efficient": "2"}, 4),
        ("0*#9", {}, 4),
    ],
)
async def test_each_question_takes_one_key_and_silence_is_no_answer(
    keys: str, answers: dict[str, str], questions: int
) -> None:
    voice = ScriptedVoice([None if key == "-" else key for key in keys])
    told: list[tuple[str, str]] = []
    assert await survey(voice, Survey(), lambda question, answer: told.append((question, answer))) == answers
    assert dict(told) == answers
    assert len(voice.questions) == questions
    assert voice.words().count("survey_intro") == 1


async def test_a_hang_up_in_the_middle_keeps_what_was_answered() -> None:
    class Leaves(ScriptedVoice):
        async def ask(self, prompts, /, *, first_key_ms: int) -> str | None:  # type: ignore[no-untyped-def]
            if self.questions:
                raise ConnectionResetError
            return await super().ask(prompts, first_key_ms=first_key_ms)

    told: list[tuple[str, str]] = []
    with pytest.raises(ConnectionResetError):
        await survey(Leaves("1"), Survey(), lambda question, answer: told.append((question, answer)))
    assert told == [("patient", "1")]
