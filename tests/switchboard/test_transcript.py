"""What is said as text: in order, corrected until it is final, and bounded."""

from __future__ import annotations

from switchboard.contacts.transcript import MOST_LINES, Line, Transcript


def line(number: int, text: str, *, final: bool = True) -> Line:
    return Line(number, 1_000 + number, "caller", text, final)


def test_a_guess_is_replaced_and_a_final_line_is_not() -> None:
    transcript = Transcript()
    assert transcript.take(line(2, "老板", final=False))
    assert transcript.take(line(1, "您好"))
    assert transcript.take(line(2, "老板不发工资"))
    assert not transcript.take(line(2, "老板不发", final=False))
    assert [(one["number"], one["text"], one["final"]) for one in transcript.frames()] == [
        (1, "您好", True),
        (2, "老板不发工资", True),
    ]


def test_a_long_talk_keeps_the_newest_lines() -> None:
    transcript = Transcript()
    for number in range(MOST_LINES + 5):
        transcript.take(line(number, str(number)))
    assert [one["number"] for one in transcript.frames()] == list(range(5, MOST_LINES + 5))
    assert not transcript.take(line(3, "late"))
