"""A day on the real engine and a private routing server of its own: slower than the twin, with the same answers."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from routing.overload import Level
from routing.policy import Policy
from routing.server import RoutingServer
from routing.simulate.compare import Way
from routing.simulate.day import Day
from routing.simulate.kernels import EngineKernel, Kernel, Observe
from routing.simulate.outcome import Result
from routing.simulate.run import Run


def on_engine(policy: Policy, highest: Level = "normal", *, binary: Path | None = None) -> Way:
    """Our rules on a real server. Raises RoutingServerError where none can be started."""

    def run(day: Day) -> Result:
        with TemporaryDirectory(prefix="sim-") as folder, asyncio.Runner() as runner:
            server = RoutingServer(Path(folder), binary=binary)
            runner.run(server.__aenter__())
            try:
                return run_at(day, policy, server.url, highest)
            finally:
                runner.run(server.__aexit__(None, None, None))

    return Way("on a routing server", run)


def run_at(day: Day, policy: Policy, url: str, highest: Level = "normal") -> Result:
    """The same on a server that runs already, in a shard of its own."""
    kernels: list[EngineKernel] = []

    def kernel(observe: Observe) -> Kernel:
        kernels.append(EngineKernel(url, "simulated", observe))
        return cast(Kernel, kernels[0])

    try:
        return Run(day, policy, highest=highest, kernel=kernel).run()
    finally:
        for made in kernels:
            made.close()
