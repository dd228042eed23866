"""The kernel of the server, the twin and the specification decide alike."""

import asyncio
from pathlib import Path
from typing import cast

import pytest
from hypothesis.stateful import run_state_machine_as_test

from routing.engine import Engine
from routing.server import RoutingServer
from tests.routing.machine import HISTORIES, Agreement, Disorder
from tests.support.routing import new_shard


def agree(kind: type[Agreement], folder: Path, binary: Path) -> None:
    """Random histories against a server of this kind, a shard for each."""
    with asyncio.Runner() as runner:
        server = RoutingServer(folder, binary=binary)
        runner.run(server.__aenter__())
        engines: list[Engine] = []

        def history() -> Agreement:
            while engines:
                runner.run(engines.pop().close())
            shard = new_shard()
            nodes = [Engine.connect(server.url, shard=shard, owner=owner) for owner in ("", "node-2")]
            engines.extend(runner.run(node) for node in nodes)
            return kind(runner.run, engines)

        try:
            run_state_machine_as_test(cast("type[Agreement]", history), settings=HISTORIES)
        finally:
            for engine in engines:
                runner.run(engine.close())
            runner.run(server.__aexit__(None, None, None))


@pytest.mark.parametrize("kind", [Agreement, Disorder])
def test_server_twin_and_specification_agree_at_every_step(
    kind: type[Agreement], routing_dir: Path, routing_binary: Path
) -> None:
    agree(kind, routing_dir, routing_binary)
