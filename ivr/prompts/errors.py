"""Errors of the prompts.

PromptError (prompt_error)
├── UnknownPrompt (unknown_prompt)    no table knows this key
├── MissingSound (missing_sound)      the key is known, but no language has a file for it
├── BrokenTable (broken_prompt_table) a table of texts or sums cannot be used
└── StudioError (studio_error)
    ├── NotSound           (not_sound)        the file is no WAV that can be read
    ├── SoundTooLong       (sound_too_long)   more than three minutes or ten megabytes
    ├── TooQuiet           (too_quiet)        there is no speech in the recording
    ├── NoEarlierRecording (no_earlier_recording)
    └── NoOverlay          (no_overlay)       no folder for recordings is configured
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


class StudioError(PromptError):
    """A recording that cannot be used; the text says why and what to do."""

    code = "studio_error"


class NotSound(StudioError):
    """The file is no WAV file that can be read."""

    code = "not_sound"


class SoundTooLong(StudioError):
    """More than three minutes, or more than ten megabytes."""

    code = "sound_too_long"


class TooQuiet(StudioError):
    """There is no speech in the recording."""

    code = "too_quiet"


class NoEarlierRecording(StudioError):
    """Nothing was recorded before the present recording."""

    code = "no_earlier_recording"


class NoOverlay(StudioError):
    """No folder for recordings is configured."""

    code = "no_overlay"
