"""Whatever a call flow can say has words and a sound in every language.

The flows are read as source: every text that reaches `say`, `ask` and their kin, directly, by a name, by a function's
answer or by an f-string, must be a known key; hotlines name theirs in data.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ivr.hotline import load_hotlines
from ivr.prompts.catalogue import SOUND, PromptSet
from ivr.prompts.texts import LANGUAGES

ROOT = Path(__file__).resolve().parents[2]
FLOWS = [*sorted((ROOT / "ivr").glob("*.py")), *sorted((ROOT / "switchboard" / "contacts").glob("*.py"))]
SPEAKING = re.compile(r"(say|ask|speak)(_\w+)?")
"""Functions that take keys: say, say_until_key, ask …; `ivr.prompt` itself only passes them on."""

_HOLE = "\0"
_NOT_KEYS = {"zh", "en", "local", ""}


class Module:
    """What the names of one file stand for, as far as it can be read."""

    def __init__(self, source: str) -> None:
        self.tree = ast.parse(source)
        self.named: dict[str, list[ast.expr]] = {}
        self.answers: dict[str, list[ast.expr]] = {}
        for node in ast.walk(self.tree):
            self._note(node)

    def _note(self, node: ast.AST) -> None:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                for name in target.elts if isinstance(target, ast.Tuple) else [target]:
                    if isinstance(name, ast.Name):
                        self.named.setdefault(name.id, []).append(node.value)
        elif (
            isinstance(node, ast.AnnAssign | ast.AugAssign)
            and isinstance(node.target, ast.Name)
            and node.value
        ):
            self.named.setdefault(node.target.id, []).append(node.value)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            answers = [one.value for one in ast.walk(node) if isinstance(one, ast.Return) and one.value]
            self.answers.setdefault(node.name, []).extend(answers)

    def spoken(self) -> Iterator[tuple[str, int]]:
        """Every text that may be said, with its line; what is put into an f-string is a hole."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and (name := _name(node.func)):
                arguments = [*node.args, *(one.value for one in node.keywords)]
                if not SPEAKING.fullmatch(name):  # a list handed on together with the call is for saying too
                    with_call = bool(node.args) and _name(node.args[0]) == "call"
                    lists = [one for one in node.args if isinstance(one, ast.List)]
                    lists += [one.value for one in node.keywords if one.arg == "intro"]
                    arguments = lists if with_call else []
                for argument in arguments:
                    yield from self._texts(argument, set())

    def _texts(self, node: ast.expr, seen: set[str]) -> Iterator[tuple[str, int]]:
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str):
                yield node.value, node.lineno
        elif isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else _HOLE for part in node.values)
            yield "".join(map(str, parts)), node.lineno
        elif isinstance(node, ast.List | ast.Tuple | ast.Set):
            for part in node.elts:
                yield from self._texts(part, seen)
        elif isinstance(node, ast.Starred | ast.Await):
            yield from self._texts(node.value, seen)
        elif isinstance(node, ast.BinOp):
            yield from self._texts(node.left, seen)
            yield from self._texts(node.right, seen)
        elif isinstance(node, ast.BoolOp):
            for part in node.values:
                yield from self._texts(part, seen)
        elif isinstance(node, ast.IfExp):
            yield from self._texts(node.body, seen)
            yield from self._texts(node.orelse, seen)
        elif isinstance(node, ast.GeneratorExp | ast.ListComp):
            yield from self._texts(node.elt, seen)
        elif isinstance(node, ast.Subscript):
            yield from self._texts(node.value, seen)
        elif isinstance(node, ast.Dict):
            for part in node.values:
                yield from self._texts(part, seen)
        elif isinstance(node, ast.Name) and node.id not in seen:
            for value in self.named.get(node.id, []):
                yield from self._texts(value, seen | {node.id})
        elif isinstance(node, ast.Call) and (name := _name(node.func)) and name not in seen:
            for value in self.answers.get(name, []):
                yield from self._texts(value, seen | {name})


def _name(node: ast.expr) -> str | None:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else None


def unknown(source: str, keys: frozenset[str]) -> list[str]:
    """Each text that is said and is no key, with its line."""
    found = []
    for text, line in Module(source).spoken():
        name = text.rpartition("/")[2]
        if ":" in text or "." in text:
            continue  # a sound that was just recorded, or its file: no key has such signs
        if _HOLE in name:
            pattern = ".+".join(map(re.escape, name.split(_HOLE)))
            known = name == _HOLE or any(re.fullmatch(pattern, key) for key in keys)
        else:
            known = name in keys or name in _NOT_KEYS
        if not known:
            found.append(f"{line}: {text.replace(_HOLE, '{}')}")
    return found


@pytest.fixture(scope="module")
def prompts() -> PromptSet:
    return PromptSet()


def heard_in_flows() -> set[str]:
    return {text for file in FLOWS for text, _ in Module(file.read_text("utf-8")).spoken()}


@pytest.mark.parametrize("file", FLOWS, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_prompt_that_a_flow_says_is_known(prompts: PromptSet, file: Path) -> None:
    assert unknown(file.read_text("utf-8"), prompts.keys) == []


def test_the_flows_are_read_deeply_enough_to_find_their_prompts() -> None:
    """Else the test above would pass on nothing."""
    found = heard_in_flows()
    assert {"wrong_key", "no_input_to_person", "goodbye", "survey_thanks", "waited_too_long"} <= found
    assert len(found) > 12


@pytest.mark.parametrize(
    "source",
    [
        "say(call, ['welcom'])",
        "await say(call, ['goodbye', *extra()])\ndef extra():\n  return ['welcom']",
        "KEYS = ('welcom', 'goodbye')\nsay_until_key(call, KEYS)",
        "prompts = ['welcome']\nprompts += ['welcom']\nask(call, prompts, first_key_ms=1)",
        "say(call, ['goodbye' if late else 'welcom'])",
        "say(call, [f'en/welcom'])",
        "say(call, [f'menu_of_{matter}'])",
        "ivr.prompt.say(call, prompts=['welcom'])",
        "say(call, {1: 'welcom'}[n])",
    ],
)
def test_a_key_that_nobody_recorded_is_found_however_it_is_said(prompts: PromptSet, source: str) -> None:
    assert len(unknown(source, prompts.keys)) == 1


def test_known_keys_are_not_complained_of(prompts: PromptSet) -> None:
    source = "say(call, ['welcome', f'ahead_{n}', f'{language}/language_choice', 'beep', *place(n)])"
    assert unknown(source, prompts.keys) == []


def test_every_hotline_says_only_what_is_known(prompts: PromptSet) -> None:
    for hotline in load_hotlines().values():
        assert hotline.prompt_keys() <= prompts.keys, hotline.number


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_known_prompt_has_a_sound_of_its_own_language(prompts: PromptSet, language: str) -> None:
    for key in prompts.phrases[language]:
        path = prompts.find(language, key)
        assert path, key
        assert path == SOUND / prompts.spoken_in(language, key) / f"{key}.alaw"
