"""Killed at any moment, a paper is as it was before the step or as it is after it, and its events catch up."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from switchboard.evidence import open_provider
from switchboard.evidence.pdf_checking import check_pdf
from switchboard.papers.papers import Papers
from switchboard.records import Records

KILLS = 40 if os.environ.get("SWITCHBOARD_LONG") == "1" else 5

_SIGNING = """
    import asyncio, sys
    from pathlib import Path
    from switchboard.evidence import open_provider
    from switchboard.papers.papers import Papers, Signing
    from switchboard.records import Records
    from tests.support.papers import agreement, hand

    async def main(folder, run):
        async with await Records.open(f"sqlite:///{folder / 'r.db'}") as records:
            papers = Papers(records, open_provider(folder), folder / "papers")
            await papers.preview(agreement())
            print("ready", flush=True)
            for n in range(100):
                paper = await papers.make("c-1", agreement(), by="v001", key=f"{run}-{n}")
                for signer in ("p1", "p2", "m1"):
                    paper = await papers.sign(paper.id, Signing(signer, paper.head, "ic", hand()))

    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


def _run_and_kill(folder: Path, run: int, after_s: float) -> None:
    command = [sys.executable, "-c", textwrap.dedent(_SIGNING), str(folder), str(run)]
    env = {**os.environ, "PYTHONPATH": os.getcwd()}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env) as running:
        assert running.stdout
        assert running.stdout.readline() == b"ready\n"
        time.sleep(after_s)  # the moment of the kill is what is tried out
        running.send_signal(signal.SIGKILL)


async def test_killed_at_any_moment_every_paper_is_whole(tmp_path: Path) -> None:
    chance = random.Random(12348)
    for run in range(KILLS):
        await asyncio.to_thread(_run_and_kill, tmp_path, run, chance.uniform(0.02, 1.0))
    provider = open_provider(tmp_path)
    async with await Records.open(f"sqlite:///{tmp_path / 'r.db'}") as records:
        papers = Papers(records, provider, tmp_path / "papers")
        await papers.resume()
        found = await papers.of_contact("c-1")
        assert found
        steps = 0
        for paper in found:
            report = await asyncio.to_thread(check_pdf, await papers.content(paper), provider.roots)
            assert (report.holds, report.trusted) == (True, True)
            assert len(report.findings) == 1 + paper.signed
            steps += len(await papers.steps(paper.id))
        contact = await records.contact("c-1")
        assert contact
        assert len(contact[1]) == steps
        unfinished = [paper for paper in found if paper.turn]
        assert len(unfinished) <= KILLS
