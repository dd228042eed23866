"""An Asterisk, a Redis and a PostgreSQL that the configuration names are used in place of the embedded ones."""

from __future__ import annotations

import asyncio
from pathlib import Path

from ivr.server.config import ServerOptions
from routing.server import RoutingServer
from switchboard.records.fold import ContactRecord
from tests.integration.test_first_call import at_the_menu, volunteers
from tests.support.agents import Manner
from tests.support.asterisk import ARI_PASSWORD, ARI_USER, own_asterisk
from tests.support.phones import Caller
from tests.support.postgres import private_cluster
from tests.support.prompts import SURVEY
from tests.support.switchboard import Switchboard


async def test_a_call_on_servers_that_were_given(tmp_path: Path) -> None:
    with private_cluster() as cluster:
        async with own_asterisk(ServerOptions()) as asterisk, RoutingServer(tmp_path / "redis") as redis:
            env = {
                "DATABASE_URL": cluster.create("given"),
                "REDIS_URL": redis.url,
                "ASTERISK": "external",
                "ARI_URL": asterisk.url,
                "ARI_USER": ARI_USER,
                "ARI_PASSWORD": ARI_PASSWORD,
            }
            async with Switchboard(volunteers=1, env=env) as switchboard:
                switchboard.sip_port = asterisk.settings.ports.sip
                manner = Manner(answer="accept", talk_s=0.6, wrap_up_s=0.0)
                async with (
                    volunteers(switchboard, manner=manner),
                    Caller(switchboard.sip_port, "13800138020") as caller,
                ):
                    await at_the_menu(caller)
                    await caller.rtp.press("2")
                    await caller.rtp.hear(SURVEY, 20)
                    caller.hang_up()
                    await caller.ended()
                (record,) = await switchboard.wait_ended(1)
                assert (record.end_reason, record.matter, record.agent) == ("completed", "labour", "v901")
                (recording,) = (await _with_recording(switchboard)).recordings
                assert recording.file
                assert recording.gaps == ()
                assert (switchboard.data_dir / "recordings" / recording.file).is_file()
                assert not (switchboard.data_dir / "switchboard.sqlite").exists()
                assert not (switchboard.data_dir / "run" / "redis").exists()
                assert not (switchboard.data_dir / "run" / "asterisk").exists()


async def _with_recording(switchboard: Switchboard) -> ContactRecord:
    async with asyncio.timeout(10):
        while True:
            (record,) = await switchboard.contacts()
            if record.recordings:
                return record
            await asyncio.sleep(0.05)
