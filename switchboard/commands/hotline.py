"""``switchboard hotline``: check a hotline's file, and walk through a hotline without a telephone.

The walk is the very code that a caller meets, with a keyboard in place of a telephone: it prints the words that would
be spoken, takes keys, and shows where the call would go.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from ivr.dialling import caller_number
from ivr.errors import HotlineInvalid
from ivr.hotline import Hotline, parse_hotline
from ivr.intake import Intake, announce, intake, tell
from ivr.prompts.catalogue import PromptSet
from routing.policy import Policy
from switchboard.config import Config, load_config
from switchboard.contacts.front import Door
from switchboard.errors import ConfigurationError, SwitchboardError
from switchboard.records.store import Records
from switchboard.rules import RuleBook, Rules, check, read_seeds
from switchboard.times import now_ms

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Check a hotline, and walk through it without a telephone.",
)

KEYS = "0123456789*#"
QUIT = "q"


class HungUp(Exception):
    """Whoever sits at the keyboard has had enough: a hang-up."""


class Keyboard:
    """A ``Voice``: prompts are printed, keys are typed. ``keys`` are pressed first, without being asked for; - is
    silence.
    """

    def __init__(self, prompts: PromptSet, language: str, keys: str | None) -> None:
        self.language = language
        self._prompts = prompts
        self._keys = deque(keys) if keys is not None else None

    async def say(self, prompts: Sequence[str], /) -> None:
        for key in prompts:
            language, _, name = key.rpartition("/")
            if words := self._prompts.text(language or self.language, name):
                print(f"  {words}")

    async def ask(self, prompts: Sequence[str], /, *, first_key_ms: int) -> str | None:
        await self.say(prompts)
        if self._keys is None:
            key = await asyncio.to_thread(_typed, first_key_ms)
        else:
            key = self._keys.popleft() if self._keys else "-"
            print(f"> {key}")
        if key == QUIT:
            raise HungUp
        return None if key == "-" else key

    def forget_keys(self) -> None:
        """At a keyboard nothing is pressed ahead."""


def _typed(first_key_ms: int) -> str:
    while True:
        print(
            f"> 按键 key (Enter: 等待 {first_key_ms // 1000} 秒 wait, {QUIT}: 挂机 hang up): ",
            end="",
            flush=True,
        )
        line = sys.stdin.readline()
        if not line:
            return QUIT
        key = line.strip().lower() or "-"
        if key in KEYS or key in ("-", QUIT):
            return key
        print(f"  {KEYS}")


@app.command("check")
def check_(file: Annotated[Path, typer.Argument(help="a hotline's TOML file")]) -> None:
    """Name every mistake of a file, also against the routing policy and the prompts; exit code 2 if there is any."""
    text = _read(file)
    config = _config()
    prompts = PromptSet(overlay=config.recorded_prompts)
    try:
        hotline = parse_hotline(text)
    except HotlineInvalid as error:
        _fail(error.problems)
    beside = Rules({hotline.number: hotline}, Policy.load(config.policy_file))
    if problems := check("hotline", hotline.number, text, beside, prompts.keys):
        _fail(problems)
    print(f"{hotline.number} {hotline.name_zh} {hotline.name_en}")


@app.command()
def walk(
    number: Annotated[str, typer.Argument(help="the dialled number")] = "12348",
    at: Annotated[str, typer.Option(help="a local time, as 2026-10-01T10:00; none: now")] = "",
    keys: Annotated[
        str | None, typer.Option(help="keys to press, - for silence; none: they are asked for")
    ] = None,
    caller: Annotated[str, typer.Option(help="the caller's number, for priority by number")] = "",
    file: Annotated[
        Path | None, typer.Option(help="a hotline's TOML file in place of what is in force")
    ] = None,
) -> None:
    """Be a caller with a keyboard: hear (read) every word, press keys, see where the call goes."""
    if keys is not None and not set(keys) <= {*KEYS, "-"}:
        _fail([f"--keys: {KEYS} and - only"])
    try:
        asyncio.run(_walk(_config(), number, at, keys, caller, file))
    except ConfigurationError as error:
        _fail(error.problems)
    except SwitchboardError as error:
        _fail([f"{error.zh} {error}"])
    except HungUp:
        print("= 挂机 hung up")


async def _walk(
    config: Config, number: str, at: str, keys: str | None, caller: str, file: Path | None
) -> None:
    prompts = PromptSet(overlay=config.recorded_prompts)
    async with await Records.open(config.sql_url) as records:
        book = RuleBook(records, read_seeds(config), prompts.keys, config.time_zone)
        rules = await book.in_force()
        known = await records.known_callers.reason(caller_number(caller))
    if file:
        try:
            hotline: Hotline | None = parse_hotline(_read(file))
        except HotlineInvalid as error:
            _fail(error.problems)
    else:
        hotline = rules.hotlines.get(number)
    voice = Keyboard(prompts, hotline.language if hotline else "zh", keys)
    if hotline is None:
        await voice.say(["unknown_number"])
        print(f"= 号码不在服务范围 not a number of ours: {number}")
        return
    door = Door(hotline, rules.calendar, prompts, _moment(at, rules))
    await _call(voice, hotline, door, known, rules.policy)


async def _call(voice: Keyboard, hotline: Hotline, door: Door, known: str | None, policy: Policy) -> None:
    """The same steps as ``contacts.phone.handle_call``, up to where a telephone would be needed."""
    await announce(voice, hotline)
    taken = await intake(voice, hotline, known=known, closed=door.words_before_menu())
    if taken.wish == "information":
        end = await tell(voice, hotline.recording_of(taken.what or ""), first_key_ms=hotline.first_key_ms)
        if end == "done":
            await voice.say(["goodbye"])
            print(f"= 已听信息 information heard: {taken.what}")
            return
    transfer = hotline.transfer(taken.what or "") if taken.wish == "transfer" else None
    if transfer:
        await voice.say(transfer.prompts)
        print(f"= 转接 transfer: {transfer.number} {transfer.name_zh} {transfer.name_en}")
        return
    opening = door.opening(taken.matter)
    if opening.open and taken.wish != "message":
        _show_queue(taken, policy)
        return
    await voice.say(door.words_for(taken.matter, voice.language))
    then = f", 下次 next: {opening.next:%Y-%m-%d %H:%M}" if opening.next else ""
    print(f"= 留言 message mode: {taken.matter}{then}")


def _show_queue(taken: Intake, policy: Policy) -> None:
    matter = next((one for one in policy.matters if one.id == taken.matter), None)
    level = next((one.level for one in policy.priorities if one.id == taken.priority), 0)
    if matter is None:
        print(f"= 事项不在规则中 the routing policy has no matter {taken.matter}")
        return
    entry = policy.entry("walk", matter=matter.id, language=taken.language, priority=level)
    print(f"= 排队 waits for: {matter.zh} {matter.en}, {taken.language} ({taken.how})")
    if taken.priority:
        print(f"  优先 priority: {taken.priority}, {policy.credit_ms(level) // 1000} s")
    if not taken.consent:
        print("  不录音 not recorded")
    for step in entry.steps:
        print(f"  {step.after_ms // 1000:>4} s  {step.klass}")


def _moment(at: str, rules: Rules) -> dt.datetime:
    if not at:
        return rules.calendar.local(now_ms())
    try:
        given = dt.datetime.fromisoformat(at)
    except ValueError:
        _fail(["--at: write a local time, as 2026-10-01T10:00"])
    return (
        given.astimezone(rules.calendar.zone) if given.tzinfo else given.replace(tzinfo=rules.calendar.zone)
    )


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        _fail([f"{file}: cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}"])


def _config() -> Config:
    try:
        return load_config()
    except ConfigurationError as error:
        _fail(error.problems)


def _fail(problems: list[str]) -> NoReturn:
    for problem in problems:
        print(problem, file=sys.stderr)
    raise typer.Exit(2)
