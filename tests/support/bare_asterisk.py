"""A bare Asterisk for the rig: its own small configuration, its own dialplan, nothing of the product in it.

It is the same program that the product runs, so that a comparison says something about the product and not
about two builds. The extensions: `echo` returns the sound; `keys` says each key back as a tone (KEY_TONES);
`12348` answers, plays welcome, menu (ends at a key) and next, and goes to app_queue.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from ivr.server.fetch import AsteriskHome
from tests.support import alaw
from tests.support.ports import free_port, free_range

KEY_TONES = {str(key): 600 + 100 * (key - 1) for key in range(1, 10)}

_MODULES = [
    "res_timing_timerfd",
    "res_crypto",
    "res_sorcery_config",
    "res_sorcery_memory",
    "res_sorcery_astdb",
    "res_pjproject",
    "pbx_config",
    "res_musiconhold",
    "res_pjsip",
    "res_pjsip_session",
    "res_pjsip_sdp_rtp",
    "res_pjsip_caller_id",
    "res_pjsip_pubsub",
    "res_pjsip_endpoint_identifier_ip",
    "res_pjsip_endpoint_identifier_user",
    "res_pjsip_authenticator_digest",
    "res_pjsip_registrar",
    "res_pjsip_nat",
    "res_pjsip_rfc3326",
    "res_pjsip_dlg_options",
    "chan_pjsip",
    "res_rtp_asterisk",
    "codec_alaw",
    "codec_ulaw",
    "format_pcm",
    "bridge_simple",
    "bridge_native_rtp",
    "bridge_builtin_features",
    "bridge_softmix",
    "app_echo",
    "app_playback",
    "app_read",
    "app_queue",
    "app_verbose",
    "app_stack",
    "func_strings",
    "func_channel",
]


class AsteriskError(Exception):
    """Asterisk did not start or died; the text holds the end of its log."""


@dataclass
class BareAsterisk:
    """`async with BareAsterisk(home, agents=[("v001", "secret")]) as asterisk: …` on ports of its own.

    Attributes:
        agents: users and passwords that may register; members of the queue `volunteers` of `12348`.
        sounds: extra A-law sounds by name, for `Playback(NAME)`.
        queue: more lines for the queue's section.
        trace: log every SIP message (to `log()`).
    """

    home: AsteriskHome
    agents: Sequence[tuple[str, str]] = ()
    sounds: Mapping[str, bytes] = field(default_factory=dict)
    queue: str = ""
    wrap_up_s: int = 0
    trace: bool = False

    def __post_init__(self) -> None:
        self.sip_port = free_port()
        self.rtp_first, self.rtp_last = free_range(4000)
        self._folder = tempfile.TemporaryDirectory(prefix="asterisk-")
        self.folder = Path(self._folder.name)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def __aenter__(self) -> Self:
        self._write()
        self._process = await asyncio.create_subprocess_exec(
            *self.home.command,
            *("-C", str(self.folder / "etc/asterisk.conf"), "-f"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=(self.folder / "stdout").open("wb"),
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            await self._wait_booted()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            await process.wait()
        self._folder.cleanup()

    async def _wait_booted(self) -> None:
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(AsteriskError):
                if "fully booted" in (await self.cli("core waitfullybooted")).lower():
                    return
            assert self._process is not None
            if self._process.returncode is not None or time.monotonic() > deadline:
                raise AsteriskError(f"Asterisk did not start\n{self.log()[-4000:]}")
            await asyncio.sleep(0.05)

    async def cli(self, command: str, timeout: float = 10.0) -> str:
        """One command of Asterisk's console; its answer.

        Raises:
            AsteriskError: nobody answered.
        """
        process = await asyncio.create_subprocess_exec(
            *self.home.command,
            *("-C", str(self.folder / "etc/asterisk.conf"), "-rx", command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(timeout):
                output, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise AsteriskError(f"no answer to {command!r}") from None
        if process.returncode != 0:
            raise AsteriskError(output.decode(errors="replace"))
        return output.decode(errors="replace")

    async def channels(self) -> int:
        """How many channels there are now."""
        return int((await self.cli("core show channels count")).split()[0])

    def log(self) -> str:
        parts = [self.folder / "log/messages.log", self.folder / "stdout"]
        return "\n".join(part.read_text(errors="replace") for part in parts if part.exists())

    def _write(self) -> None:
        for name in ("etc", "lib", "db", "keys/keys", "spool", "run", "log", "cache", "sounds"):
            (self.folder / name).mkdir(parents=True)
        for name, text in self._files().items():
            (self.folder / "etc" / name).write_text(text)
        sounds = {f"key{key}": alaw.tone(hertz, ms=400) for key, hertz in KEY_TONES.items()}
        for name, sound in {**sounds, **self.sounds}.items():
            (self.folder / "sounds" / f"{name}.alaw").write_bytes(sound)

    def _files(self) -> dict[str, str]:
        empty: dict[str, str] = dict.fromkeys(
            ("ccss.conf", "cel.conf", "udptl.conf", "features.conf", "acl.conf", "stasis.conf"), ""
        )
        empty["queuerules.conf"] = empty["indications.conf"] = "[general]\n"
        return {
            **empty,
            "asterisk.conf": self._asterisk_conf(),
            "modules.conf": "[modules]\nautoload=no\n" + "".join(f"load={name}.so\n" for name in _MODULES),
            "logger.conf": "[general]\n[logfiles]\nmessages.log => notice,warning,error\n",
            "cdr.conf": "[general]\nenable=no\n",
            "http.conf": "[general]\nenabled=no\n",
            "manager.conf": "[general]\nenabled=no\n",
            "musiconhold.conf": f"[default]\nmode=files\ndirectory={self.folder}/sounds\n",
            "rtp.conf": f"[general]\nrtpstart={self.rtp_first}\nrtpend={self.rtp_last}\nstrictrtp=yes\n",
            "pjproject.conf": "[startup]\ntype=startup\nlog_level=0\n",
            "pjsip.conf": self._pjsip_conf(),
            "queues.conf": self._queues_conf(),
            "extensions.conf": _EXTENSIONS.replace("SOUNDS", str(self.folder / "sounds")),
        }

    def _asterisk_conf(self) -> str:
        here = self.folder
        folders = {
            "etc": here / "etc",
            "mod": self.home.modules_dir,
            "varlib": here / "lib",
            "db": here / "db",
            "key": here / "keys",
            "data": self.home.data_dir,
            "agi": here / "lib",
            "spool": here / "spool",
            "run": here / "run",
            "log": here / "log",
            "cache": here / "cache",
            "sbin": here,
        }
        lines = "".join(f"ast{name}dir => {path}\n" for name, path in folders.items())
        return f"[directories]\n{lines}[options]\ndocumentation_language = en_US\nsystemname = rig\n"

    def _pjsip_conf(self) -> str:
        agents = "".join(_AGENT.format(user=user, password=password) for user, password in self.agents)
        debug = "debug=yes\n" if self.trace else ""
        return _PJSIP.format(port=self.sip_port, debug=debug) + agents

    def _queues_conf(self) -> str:
        members = "".join(f"member => PJSIP/{user}\n" for user, _ in self.agents)
        return _QUEUES.format(members=members, more=self.queue, wrap_up=self.wrap_up_s)


_PJSIP = """[global]
type=global
endpoint_identifier_order=auth_username,username,ip
user_agent=rig
{debug}
[udp]
type=transport
protocol=udp
bind=127.0.0.1:{port}

[trunk]
type=endpoint
context=from-trunk
disallow=all
allow=alaw
direct_media=no
dtmf_mode=rfc4733
[trunk]
type=identify
endpoint=trunk
match=127.0.0.1
"""

_AGENT = """
[{user}]
type=endpoint
context=nowhere
disallow=all
allow=alaw
direct_media=no
auth={user}
aors={user}
[{user}]
type=auth
auth_type=userpass
username={user}
password={password}
[{user}]
type=aor
max_contacts=1
remove_existing=yes
"""

_QUEUES = """[general]
persistentmembers=no
autofill=yes
monitor-type=MixMonitor
shared_lastcall=yes

[volunteers]
strategy=rrmemory
musicclass=default
timeout=15
retry=1
wrapuptime={wrap_up}
ringinuse=no
joinempty=yes
leavewhenempty=no
announce-frequency=0
announce-position=no
{more}
{members}"""

_EXTENSIONS = """[general]
[globals]
[from-trunk]
exten => echo,1,Answer()
 same => n,Echo()
exten => keys,1,Answer()
 same => n(again),Read(KEY,,1,,1,20)
 same => n,GotoIf($["${KEY}" = ""]?done)
 same => n,Playback(SOUNDS/key${KEY})
 same => n,Goto(again)
 same => n(done),Hangup()
exten => 12348,1,Answer()
 same => n,Playback(SOUNDS/welcome)
 same => n,Read(KEY,SOUNDS/menu,1,,1,5)
 same => n,Playback(SOUNDS/next)
 same => n,Queue(volunteers,,,,300)
 same => n,Hangup()
[nowhere]
"""
