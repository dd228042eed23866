"""Somebody who hears prompts and presses what a test says: the narrowest caller there is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class ScriptedVoice:
    """A ``Voice`` that answers each question with the next of ``keys``; None (and the end of them) is silence.

    Attributes:
        heard: what was spoken, as (language, prompt), in order.
        questions: the prompts of each question.
    """

    def __init__(self, keys: Iterable[str | None] = (), language: str = "zh") -> None:
        self.language = language
        self.heard: list[tuple[str, str]] = []
        self.questions: list[list[str]] = []
        self._keys = iter(keys)

    async def say(self, prompts: Sequence[str], /) -> None:
        for key in prompts:
            language, _, name = key.rpartition("/")
            self.heard.append((language or self.language, name))

    async def ask(self, prompts: Sequence[str], /, *, first_key_ms: int) -> str | None:
        await self.say(prompts)
        self.questions.append(list(prompts))
        return next(self._keys, None)

    def forget_keys(self) -> None:
        """Nothing is pressed before it is asked for here."""

    def words(self, language: str | None = None) -> list[str]:
        """The prompts heard, all of them or those of one language."""
        return [name for spoken_in, name in self.heard if language in (None, spoken_in)]
