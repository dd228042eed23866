"""The command line: ``switchboard serve``, ``run``, ``check-config``, ``rules``, ``simulate``, ``explain`` and more."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
from typing import Annotated, Any, NoReturn

import aiohttp
import structlog
import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from switchboard.commands import hotline, known_callers, law, prompts, rules, simulate, terminals
from switchboard.commands.demo_visit import demo_visit
from switchboard.commands.explain import explain
from switchboard.commands.verify import court_page_command, verify
from switchboard.config import Config, load_config
from switchboard.errors import ConfigurationError, SwitchboardError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="The 12348 switchboard."
)
app.add_typer(rules.app, name="rules")
app.command()(simulate.simulate)
app.command()(explain)
app.add_typer(prompts.app, name="prompts")
app.add_typer(hotline.app, name="hotline")
app.add_typer(known_callers.app, name="known-callers")
app.add_typer(law.app, name="law")
app.add_typer(terminals.app, name="terminals")
app.command()(demo_visit)
app.command()(verify)
app.command("court-page")(court_page_command)
out = Console()


@app.command()
def serve() -> None:
    """Run one node with the configuration of the environment and the file, until Ctrl-C."""
    _serve(_config())


@app.command()
def run() -> None:
    """Run with demonstration volunteers and a gentle stream of simulated callers."""
    _serve(_config(demo="live"))


@app.command()
def check_config() -> None:
    """Say whether the configuration is complete, naming every wrong field."""
    config = _config()
    out.print("[green]The configuration is complete.[/]")
    for name, value in config.model_dump(mode="json").items():
        out.print(f"  {name} = {value}", highlight=False)


@app.command()
def demo_call(
    keys: Annotated[str, typer.Option(help="keys to press in the menu, as 2; none: wait for a person")] = "",
) -> None:
    """Place one simulated caller on the running switchboard."""
    if not set(keys) <= set("0123456789*#") or len(keys) > 8:
        _fail(["--keys: digits, * and # only, at most 8"])
    asyncio.run(_demo_call(_config(), keys))


async def _demo_call(config: Config, keys: str) -> None:
    connector = aiohttp.UnixConnector(path=str(config.control_socket))
    try:
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.post("http://switchboard/api/demo/calls", json={"keys": keys}) as answer,
        ):
            body = await answer.json()
            if answer.status >= 400:
                _fail([f"{body.get('zh', '')} {body.get('en', '')}"])
            out.print(
                "一位模拟来电者正在拨打 12348，请看排队看板。 A simulated caller is dialling 12348: watch the board."
            )
    except aiohttp.ClientConnectionError:
        _fail(["no switchboard runs on this data folder: start it with `make run`"])


def _config(**overrides: Any) -> Config:
    try:
        return load_config(**overrides)
    except ConfigurationError as error:
        _fail(error.problems)


def _fail(problems: list[str]) -> NoReturn:
    for problem in problems:
        print(problem, file=sys.stderr)
    raise typer.Exit(2)


def _serve(config: Config) -> None:
    _set_up_logs(config.log_level)
    try:
        uvloop.run(_until_told(config))
    except ConfigurationError as error:
        _fail(error.problems)
    except SwitchboardError as error:
        _fail([str(error)])


async def _until_told(config: Config) -> None:
    from switchboard.app import node

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=out, transient=True
    ) as bar:
        task = bar.add_task("starting", total=1.0)
        async with node(
            config, progress=lambda what, share: bar.update(task, description=what, completed=share)
        ):
            bar.stop()
            _show_addresses(config)
            await stop.wait()
            out.print("正在停止… stopping", highlight=False)


def _show_addresses(config: Config) -> None:
    base = (
        f"http://localhost:{config.http_port}"
        if config.http_port
        else f"https://localhost:{config.https_port}"
    )
    table = Table(title="12348 总机 switchboard", show_header=True, header_style="bold")
    table.add_column("用途 what")
    table.add_column("地址 address")
    table.add_row("志愿者工作台 volunteer desk", f"{base}/desk")
    table.add_row("排队看板 queue board", f"{base}/board")
    table.add_row("大屏 wall", f"{base}/board?wall")
    table.add_row("系统管理 administration", f"{base}/admin")
    table.add_row("首页与状态 home and health", f"{base}/")
    if config.https_port:
        table.add_row("其他电脑 from other machines", f"https://<address>:{config.https_port}/")
    table.add_row("电话 telephone", f"sip:12348@{config.sip_host}:{config.sip_port}")
    out.print(table)
    file = config.data_dir / "demo-sign-ins.json"
    if config.demo != "none" and file.exists():
        people = Table(title="演示登录 demonstration sign-ins")
        people.add_column("姓名 name")
        people.add_column("密码 password")
        for name, password in json.loads(file.read_text()).items():
            people.add_row(name, password)
        out.print(people)
        out.print(
            "试一次来电 try a call: [bold]switchboard demo-call[/]   "
            "试一次视频到访 try a video visit: [bold]switchboard demo-visit[/]   停止 stop: Ctrl-C"
        )


def _set_up_logs(level: str) -> None:
    logging.basicConfig(level=level.upper(), stream=sys.stderr, format="%(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False)
            if not sys.stderr.isatty()
            else structlog.dev.ConsoleRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def main() -> None:
    """Entry point of the ``switchboard`` command."""
    app()


if __name__ == "__main__":
    main()
