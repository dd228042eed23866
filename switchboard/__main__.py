"""The ``switchboard`` command, also as ``python -m switchboard``.

Loading the program makes half a million objects that stay for ever. Looking through them for rubbish again and again
costs a fifth of the start, and later a pause in the middle of calls: so it waits, and then leaves them out.
"""

from __future__ import annotations

import gc


def main() -> None:
    """Load everything that stays, then run the command."""
    gc.disable()
    from switchboard import cli

    gc.freeze()
    gc.enable()
    cli.main()


if __name__ == "__main__":
    main()
