"""``switchboard demo-visit``: a simulated villager at a simulated terminal visits the running switchboard."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, Any, NoReturn

import aiohttp
import typer
from rich.console import Console

from switchboard.config import Config, load_config
from switchboard.errors import ConfigurationError

TERMINAL = "t-demo"
NOT_RUNNING = "no switchboard runs on this data folder: start it with `make run`"
out = Console()

STAGES = {
    "waiting": "正在等候… waiting: the desk of whoever serves the matter rings",
    "ringing": "正在呼叫志愿者… a volunteer is being asked",
    "talking": "已接通：画面和声音双向传送 talking: picture and sound go both ways",
    "survey": "咨询结束，正在评价 over: rating the service",
}


def demo_visit(
    matter: Annotated[str, typer.Option(help="what it is about, an id of the policy")] = "law_inquiry",
    record: Annotated[bool, typer.Option(help="let the visit be recorded")] = True,
    minutes: Annotated[float, typer.Option(min=0.1, max=60, help="leave after so long")] = 10.0,
) -> None:
    """A simulated terminal with a moving picture and a tone: accept it on the desk and see it."""
    try:
        config = load_config()
    except ConfigurationError as error:
        _fail(error.problems)
    if not config.http_port:
        _fail(["http_port is 0: the simulated terminal comes by plain HTTP on this machine"])
    try:
        asyncio.run(_visit(config, matter, record, minutes))
    except aiohttp.ClientConnectionError:
        _fail(
            [f"nobody answers at port {config.http_port}: is the switchboard there, or at another http_port?"]
        )


async def _visit(config: Config, matter: str, record: bool, minutes: float) -> None:
    from switchboard.visits.simulated import SimulatedTerminal, TerminalRefused  # aiortc loads for a while
    from switchboard.visits.synthetic import Picture, Tone

    token = await _paired(config)
    base = f"http://127.0.0.1:{config.http_port}"
    async with SimulatedTerminal(base, token, lambda: (Tone(), Picture())) as terminal:
        try:
            ident = await terminal.begin(matter=matter, consent=record)
        except TerminalRefused as refused:
            _fail([f"the switchboard said {refused.code}"])
        out.print(
            f"模拟终端正在呼叫，编号 {ident}。按 Ctrl-C 离开。 A simulated terminal visits; Ctrl-C leaves."
        )
        try:
            async with asyncio.timeout(minutes * 60):
                await _live(terminal)
        except TimeoutError:
            await terminal.order("leave")
        ended = terminal.view.get("ended") or "left"
        out.print(f"结束 over: {ended}")


async def _live(terminal: Any) -> None:
    """Tell each stage, and rate the service at the end."""
    told = ""
    while terminal.view.get("ended") is None:
        view = await terminal.until(lambda one: one["stage"] != told or one["ended"], 3_600)  # noqa: B023
        told = view["stage"]
        if words := STAGES.get(told):
            out.print(words)
        for question in view["survey"]["questions"] if view["survey"] else ():
            await terminal.order("answer", question=question, answer=view["survey"]["keys"][0])


async def _paired(config: Config) -> str:
    """The token of the demonstration's terminal, paired anew by the control socket."""
    connector = aiohttp.UnixConnector(path=str(config.control_socket))
    try:
        async with aiohttp.ClientSession("http://switchboard", connector=connector) as http:
            code = await _post(http, f"/api/terminals/{TERMINAL}/code", None)
            if code is None:
                made = {"id": TERMINAL, "name": "演示终端", "village": "演示村法律服务室"}
                await _post(http, "/api/terminals", made)
                code = await _post(http, f"/api/terminals/{TERMINAL}/code", None)
            paired = await _post(http, "/api/terminal/pair", {"code": (code or {}).get("code", "")})
    except aiohttp.ClientConnectionError:
        _fail([NOT_RUNNING])
    if paired is None:
        _fail(["the simulated terminal could not be paired"])
    return paired["token"]


async def _post(http: aiohttp.ClientSession, path: str, body: dict[str, str] | None) -> dict[str, Any] | None:
    async with http.post(path, json=body) as answer:
        if answer.status == 404:
            return None
        told = await answer.json()
        if answer.status >= 400:
            _fail([f"{told.get('zh', '')} {told.get('en', '')}"])
        return told


def _fail(problems: list[str]) -> NoReturn:
    for problem in problems:
        print(problem, file=sys.stderr)
    raise typer.Exit(2)
