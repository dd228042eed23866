"""What can go wrong in the simulator.

::

    RoutingError
    └── DayInvalid          simulate.day        a file of a day has mistakes; every one is named
"""

from collections.abc import Sequence

from routing.errors import RoutingError


class DayInvalid(RoutingError):
    """The files of a day cannot be used. ``problems``: file, line, field, what is wrong, what to write."""

    code = "simulate.day"

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))
