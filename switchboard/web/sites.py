"""Where the pages are served: plain HTTP for this machine, HTTPS for others, a unix socket for the command line."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from aiohttp import web

from switchboard.errors import ConfigurationError
from switchboard.web.certificate import tls_context
from switchboard.web.server import make_app

if TYPE_CHECKING:
    from switchboard.house import House

GOODBYE_S = 2.0


async def open_sites(house: House, held: AsyncExitStack) -> None:
    """Open every site of the configuration; each is closed with ``held``. Raises ``ConfigurationError``."""
    config = house.config
    runner = await _runner(make_app(house), held)
    if config.http_port:
        await _start(web.TCPSite(runner, config.http_host, config.http_port), "http_port")
    if config.https_port:
        context = tls_context(config.tls_certificate, config.tls_key, config.data_dir)
        site = web.TCPSite(runner, config.https_host, config.https_port, ssl_context=context)
        await _start(site, "https_port")
    control = await _runner(make_app(house, local_admin=True), held)
    config.control_socket.unlink(missing_ok=True)
    await _start(web.UnixSite(control, str(config.control_socket)), "data_dir")
    config.control_socket.chmod(0o600)


async def _runner(app: web.Application, held: AsyncExitStack) -> web.AppRunner:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=GOODBYE_S)
    await runner.setup()
    held.push_async_callback(runner.cleanup)
    return runner


async def _start(site: web.BaseSite, field: str) -> None:
    try:
        await site.start()
    except OSError as error:
        raise ConfigurationError([f"{field}: cannot be opened: {error.strerror}; choose another"]) from error
