"""The kernel of the server, the twin and the specification decide alike."""

import asyncio
from pathlib import Path

from hypothesis.stateful import run_state_machine_as_test

from routing.engine import Engine
from routing.server import RoutingServer
from tests.routing.machine import HISTORIES, Agreement
from tests.support.routing import new_shard


def test_server_twin_and_specification_agree_at_every_step(routing_dir: Path, routing_binary: Path) -> None:
    with asyncio.Runner() as runner:
        server = RoutingServer(routing_dir, binary=routing_binary)
        runner.run(server.__aenter__())
        engines: list[Engine] = []

        def history() -> Agreement:
            while engines:
                runner.run(engines.pop().close())
            engines.append(runner.run(Engine.connect(server.url, shard=new_shard())))
            return Agreement(runner.run, engines[0])

        try:
            run_state_machine_as_test(history, settings=HISTORIES)
        finally:
            runner.run(engines.pop().close())
            runner.run(server.__aexit__(None, None, None))
