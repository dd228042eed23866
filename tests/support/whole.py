"""All tests side by side; the few that failed once more, alone: ``python -m tests.support.whole PYTEST-OPTIONS``.

Real media on two busy cores now and then misses a deadline that no promise speaks of. What passes alone is named as
unsteady in the last lines, for somebody to look at, and is not a failure; what fails twice is, and so are more than
``AGAIN_MAX`` failures at once: that is no longer the machine (docs/decisions/unsteady-tests.md).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

AGAIN_MAX = 5
FAILED = 1
"""pytest's exit status when everything ran and some tests failed."""
LAST_FAILED = Path(".pytest_cache/v/cache/lastfailed")


def main(options: list[str]) -> int:
    pytest = [sys.executable, "-m", "pytest"]
    status = subprocess.run([*pytest, "--cache-clear", *options], check=False).returncode
    if status != FAILED:
        return status
    failed: list[str] = sorted(json.loads(LAST_FAILED.read_text()))
    if not 0 < len(failed) <= AGAIN_MAX:
        return status
    print(f"\n{len(failed)} failed beside others; once more, alone:", *failed, sep="\n  ", flush=True)
    status = subprocess.run([*pytest, *failed], check=False).returncode
    if status == 0:
        print("UNSTEADY, passed only alone:", *failed, sep="\n  ", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
