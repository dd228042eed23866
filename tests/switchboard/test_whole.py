"""The second attempt of the test run: it forgives what passes alone, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ONCE = """
def test_{n}():
    seen = Path("seen{n}")
    if not seen.exists():
        seen.touch()
        assert False
"""
ALWAYS = """
def test_{n}():
    assert False
"""


@pytest.mark.parametrize(
    ("tests", "status", "word"),
    [
        ([ONCE], 0, "UNSTEADY"),
        ([ALWAYS], 1, "once more"),
        ([ONCE, ALWAYS], 1, "once more"),
        ([ONCE] * 6, 1, "6 failed"),
    ],
)
def test_only_few_failures_that_pass_alone_are_forgiven(
    tmp_path: Path, tests: list[str], status: int, word: str
) -> None:
    bodies = [body.format(n=n) for n, body in enumerate(tests)]
    (tmp_path / "test_a.py").write_text("\n".join(["from pathlib import Path", *bodies]))
    run = subprocess.run(
        [sys.executable, "-m", "tests.support.whole", "-q"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == status, run.stdout
    assert word in run.stdout
    assert ("UNSTEADY" in run.stdout) is (status == 0)
