"""The other side of the video benchmark: Janus's videoroom from Debian, with ICE-lite and on loopback, as lean as it
goes: no logging to disk, no recording, HTTP signalling only. Nothing of this is used outside the benchmark."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession

from tests.load.video_peers import LoadPeer
from tests.support.ports import free_port

ROOM = 4
_GENERAL = """
general: {{ configs_folder = "{folder}"  plugins_folder = "{plugins}"  transports_folder = "{transports}"
  debug_level = 2  log_to_stdout = false  log_to_file = "{folder}/janus.log"  interface = "127.0.0.1"
  session_timeout = 600 }}
nat: {{ ice_lite = true  ice_enforce_list = "lo"  ice_ignore_list = "vmnet"  ignore_mdns = true }}
media: {{ ipv6 = false }}
plugins: {{ disable = "{unused_plugins}" }}
transports: {{ disable = "{unused_transports}" }}
"""
_HTTP = """
general: {{ json = "plain"  base_path = "/janus"  http = true  port = {port}  interface = "lo"  https = false }}
admin: {{ admin_http = false }}
"""


class Janus:
    name = "janus"

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.pid = process.pid
        self._url = url
        self._session = ClientSession()

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Janus]:
        program = shutil.which("janus")
        if program is None:
            raise SystemExit("for this benchmark: apt-get install janus")
        plugins = _plugins()
        port = free_port("tcp")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            transports = plugins.parent / "transports"
            general = _GENERAL.format(
                folder=folder,
                plugins=plugins,
                transports=transports,
                unused_plugins=_others(plugins, "videoroom"),
                unused_transports=_others(transports, "http"),
            )
            (folder / "janus.jcfg").write_text(general)
            (folder / "janus.transport.http.jcfg").write_text(_HTTP.format(port=port))
            (folder / "janus.plugin.videoroom.jcfg").write_text("general: {}\n")
            process = await asyncio.create_subprocess_exec(
                program,
                "-F",
                name,
                "-C",
                str(folder / "janus.jcfg"),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            side = cls(process, f"http://127.0.0.1:{port}/janus")
            try:
                await side._up()
                yield side
            finally:
                await side._session.close()
                process.terminate()
                await process.wait()

    async def _up(self) -> None:
        for _ in range(100):
            try:
                async with self._session.get(self._url + "/info") as answer:
                    await answer.read()
                    return
            except ClientError:
                await asyncio.sleep(0.1)
        raise RuntimeError("Janus does not answer")

    async def room(self, number: int) -> list[LoadPeer]:
        senders, feeds = await self._senders(number, ROOM)
        return senders + [
            await self._receiver(number, feeds[:index] + feeds[index + 1 :], measures=index == 0)
            for index in range(ROOM)
        ]

    async def audience(self, number: int, viewers: int) -> list[LoadPeer]:
        senders, feeds = await self._senders(number, 1)
        return senders + [
            await self._receiver(number, feeds, measures=not index % 10) for index in range(viewers)
        ]

    async def _senders(self, number: int, count: int) -> tuple[list[LoadPeer], list[int]]:
        senders: list[LoadPeer] = []
        feeds: list[int] = []
        for index in range(count):
            path, plugin = await self._attach()
            if not index:
                room = {"request": "create", "room": number, "publishers": ROOM, "bitrate": 0, "fir_freq": 10}
                await self._message(
                    path, {**room, "audiocodec": "opus", "videocodec": "vp8", "notify_joining": False}
                )
            join = {"request": "joinandconfigure", "room": number, "ptype": "publisher", "display": "load"}
            peer = LoadPeer(True)
            sdp = peer.description([("audio", "0", "sendonly"), ("video", "1", "sendonly")], "actpass")
            event = await self._message(path, join, {"type": "offer", "sdp": sdp})
            feeds.append(event["plugindata"]["data"]["id"])
            await peer.connect(event["jsep"]["sdp"])
            senders.append(peer)
            del plugin
        return senders, feeds

    async def _receiver(self, number: int, feeds: list[int], *, measures: bool) -> LoadPeer:
        path, _ = await self._attach()
        streams = [{"feed": feed} for feed in feeds]
        event = await self._message(
            path, {"request": "join", "room": number, "ptype": "subscriber", "streams": streams}
        )
        offer = event["jsep"]["sdp"]
        peer = LoadPeer(False, measures=measures)
        lines = _answering(offer)
        sdp = peer.description(lines, "active")
        await self._message(path, {"request": "start"}, {"type": "answer", "sdp": sdp})
        await peer.connect(offer.replace("a=setup:actpass", "a=setup:passive"))
        return peer

    async def _attach(self) -> tuple[str, int]:
        created = await self._post(self._url, {"janus": "create"})
        path = f"{self._url}/{created['data']['id']}"
        attached = await self._post(path, {"janus": "attach", "plugin": "janus.plugin.videoroom"})
        return f"{path}/{attached['data']['id']}", attached["data"]["id"]

    async def _message(
        self, path: str, body: dict[str, Any], jsep: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """A plugin message and its event: at once, or by the session's long poll."""
        frame: dict[str, Any] = {"janus": "message", "body": body}
        if jsep is not None:
            frame["jsep"] = jsep
        answer = await self._post(path, frame)
        while answer["janus"] != "success" and "plugindata" not in answer:
            async with self._session.get(path.rpartition("/")[0]) as polled:
                answer = await polled.json()
        data = answer["plugindata"]["data"]
        if "error" in data:
            raise RuntimeError(data["error"])
        return answer

    async def _post(self, url: str, frame: dict[str, Any]) -> dict[str, Any]:
        async with self._session.post(url, json={**frame, "transaction": secrets.token_hex(6)}) as answer:
            return await answer.json()


def _answering(offer: str) -> list[tuple[str, str, str]]:
    """The lines of an answer that receives everything that is offered."""
    lines: list[tuple[str, str, str]] = []
    kind = ""
    for text in offer.splitlines():
        if text.startswith("m="):
            kind = text[2:].split(" ")[0]
        elif text.startswith("a=mid:"):
            lines.append((kind, text[6:], "recvonly"))
    return lines


def _plugins() -> Path:
    return next(Path("/usr/lib").rglob("libjanus_videoroom.so")).parent


def _others(folder: Path, used: str) -> str:
    return ",".join(path.name for path in folder.glob("libjanus_*.so") if used not in path.name)
