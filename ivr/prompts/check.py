"""`python -m ivr.prompts.check [--overlay DIR]`: say what is missing, stale or unfit; 1 if anything is."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .catalogue import PromptSet, check
from .errors import PromptError


def main(arguments: list[str] | None = None) -> int:
    """Print one line for each problem and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m ivr.prompts.check", description=__doc__)
    parser.add_argument("--overlay", type=Path, help="the folder of a hotline's own recordings")
    args = parser.parse_args(arguments)
    try:
        prompts = PromptSet(args.overlay)
        problems = check(prompts)
    except PromptError as error:
        print(f"{error} [{error.code}]", file=sys.stderr)
        return 1
    for problem in problems:
        print(problem)
    counts = ", ".join(f"{language} {len(table)}" for language, table in prompts.phrases.items())
    print(f"{counts} prompts, {len(prompts.demonstrations)} demonstrations: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
