"""What can go wrong in routing.

::

    RoutingError                    routing.error
    ├── RoutingUnavailable          routing.unavailable   the server is away or does not answer in time
    ├── RoutingVersion              routing.version       the state was of another layout of the kernel
    ├── RoutingConflict             routing.conflict      a restored pair contradicts a live one
    ├── InvalidRouting              routing.invalid       an id, class or time that the kernel cannot hold
    ├── PolicyError                 routing.policy        the policy file is wrong; every fault is named
    └── RoutingServerError          routing.server        the private server cannot be started
        └── RoutingServerInUse      routing.server_in_use another process owns the folder

Every error has a stable ``code``; its text may change.
"""

from collections.abc import Sequence
from typing import ClassVar


class RoutingError(Exception):
    """The root of this package's errors."""

    code: ClassVar[str] = "routing.error"


class RoutingUnavailable(RoutingError):
    """The routing server did not answer within the bounded retries. The step may or may not have happened;
    every step is idempotent, so that doing it again is safe."""

    code = "routing.unavailable"


class RoutingVersion(RoutingError):
    """The server holds a state of another layout. Stop the older (or newer) nodes, or use another shard."""

    code = "routing.version"


class RoutingConflict(RoutingError):
    """A pair cannot be restored, because the seat is in contact with somebody else."""

    code = "routing.conflict"


class InvalidRouting(RoutingError, ValueError):
    """An id, class name, number of steps or time is outside what the kernel takes."""

    code = "routing.invalid"


class PolicyError(RoutingError):
    """The policy file is wrong.

    ``problems`` holds one line per fault: where it is and what is wrong.
    """

    code = "routing.policy"

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__(f"{source}: " + "; ".join(self.problems))


class RoutingServerError(RoutingError):
    """The private server cannot be found or does not start."""

    code = "routing.server"


class RoutingServerInUse(RoutingServerError):
    """Another living process runs a routing server in the same folder."""

    code = "routing.server_in_use"
