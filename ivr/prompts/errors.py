"""Errors of the prompts.

PromptError (prompt_error)
├── UnknownPrompt (unknown_prompt)    no table knows this key
├── MissingSound (missing_sound)      the key is known, but no language has a file for it
└── BrokenTable (broken_prompt_table) a table of texts or sums cannot be used
"""

from __future__ import annotations


class PromptError(Exception):
    """Base of all errors of this package."""

    code = "prompt_error"


class UnknownPrompt(PromptError, KeyError):
    """The key stands in no table: a mistake in the program or in a hotline's configuration."""

    code = "unknown_prompt"

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else self.code


class MissingSound(PromptError):
    """The key is known, but there is no sound file to play, not even in Mandarin."""

    code = "missing_sound"


class BrokenTable(PromptError):
    """A table of texts or sums is not of the form that zh.toml shows."""

    code = "broken_prompt_table"
