"""Render Asterisk's configuration: the templates of `asterisk_conf/` with one switchboard's values."""

from __future__ import annotations

import hashlib
import re
import socket
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from ivr.errors import AsteriskFailed
from ivr.server.trunk import Trunk

# A unix socket's path is limited by the kernel; Asterisk's console socket lies in the run folder.
_SOCKET_PATH_LIMIT = 107


@dataclass(frozen=True, slots=True)
class ServerPorts:
    """Where Asterisk listens. `sip` is UDP and TCP, `http` (loopback only) is ARI and the browsers' SIP."""

    sip: int
    http: int
    rtp_first: int
    rtp_last: int

    @classmethod
    def free(cls, *, rtp_ports: int = 400) -> ServerPorts:
        """Ports that were free on loopback a moment ago, all above 20000 (for tests and demonstrations)."""
        first = min(_free_port() & ~1, 65000 - rtp_ports)
        sip = http = first
        while sip == http or {sip, http} & set(range(first, first + rtp_ports)):
            sip, http = _free_port(), _free_port()
        return cls(sip, http, first, first + rtp_ports - 1)


def _free_port() -> int:
    """A port free for TCP and UDP on loopback."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
            tcp.bind(("127.0.0.1", 0))
            port = tcp.getsockname()[1]
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                try:
                    udp.bind(("127.0.0.1", port))
                except OSError:
                    continue
            if port > 20000:
                return port


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What is seldom changed.

    `bind` is the address of the SIP transports; `external_address` what far phones must be told behind a
    NAT. `away_prompt` and `thanks_prompt` name files in `<sounds_dir>/<language>/` that the dialplan speaks
    when the application is away, `fax_prompt` one for fax machines; `away_message_s` is the longest message
    it takes then. `run_as` is the user Asterisk becomes when it is started by root (None:
    see own_user.py). `extra_modules` are
    loaded too, `extra_files` (name to text) are written beside the configuration and replace a template of
    the same name, `extra_dialplan` and `extra_pjsip` are appended.
    """

    app: str = "switchboard"
    bind: str = "127.0.0.1"
    external_address: str | None = None
    language: str = "zh"
    trunks: tuple[Trunk, ...] = (Trunk(),)
    away_prompt: str = "away"
    thanks_prompt: str = "away_thanks"
    fax_prompt: str = "fax_not_here"
    away_message_s: int = 120
    run_as: str | None = None
    extra_modules: tuple[str, ...] = ()
    extra_files: Mapping[str, str] = field(default_factory=dict)
    extra_dialplan: str = ""
    extra_pjsip: str = ""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """All that decides one Asterisk's configuration. Folders are absolute."""

    run_dir: Path
    modules_dir: Path
    data_dir: Path
    ports: ServerPorts
    ari_user: str
    ari_password: str
    sounds_dir: Path
    recordings_dir: Path
    options: ServerOptions = field(default_factory=ServerOptions)

    @property
    def config_file(self) -> Path:
        return self.run_dir / "etc" / "asterisk.conf"

    @property
    def system_name(self) -> str:
        """The name this Asterisk goes by; it tells one run folder's Asterisk from another's."""
        return "sw-" + hashlib.sha256(str(self.run_dir).encode()).hexdigest()[:12]


class _Template(string.Template):
    """`@{name}` and nothing else, so that a dialplan's `${...}` and an address' `@` stand for themselves."""

    delimiter = "@"
    pattern = r"@(?:(?P<escaped>(?!))|(?P<named>(?!))|\{(?P<braced>[a-z_]+)\}|(?P<invalid>(?!)))"  # pyright: ignore[reportAssignmentType]


def templates() -> dict[str, str]:
    """File name to text of every template."""
    folder = resources.files("asterisk_conf")
    return {item.name: item.read_text("utf-8") for item in folder.iterdir() if item.name.endswith(".conf")}


def modules_in_use(extra: tuple[str, ...] = ()) -> list[str]:
    """File names of the modules that are loaded."""
    return [*re.findall(r"^load = (\S+)$", templates()["modules.conf"], re.MULTILINE), *extra]


def render(settings: ServerSettings) -> dict[str, str]:
    """File name to final text. Raises AsteriskFailed for a value that would break out of its line."""
    variables = _variables(settings)
    rendered = {name: _Template(text).substitute(variables) for name, text in templates().items()}
    return {**rendered, **settings.options.extra_files}


def _variables(settings: ServerSettings) -> dict[str, str]:
    options, ports = settings.options, settings.ports
    plain = {
        "run_dir": str(settings.run_dir),
        "modules_dir": str(settings.modules_dir),
        "sounds_dir": str(settings.sounds_dir),
        "recordings_dir": str(settings.recordings_dir),
        "system_name": settings.system_name,
        "ari_user": settings.ari_user,
        "ari_password": settings.ari_password,
        "app": options.app,
        "bind": options.bind,
        "language": options.language,
        "away_prompt": options.away_prompt,
        "thanks_prompt": options.thanks_prompt,
        "fax_prompt": options.fax_prompt,
        "away_message_s": str(options.away_message_s),
        "sip_port": str(ports.sip),
        "http_port": str(ports.http),
        "rtp_first": str(ports.rtp_first),
        "rtp_last": str(ports.rtp_last),
    }
    for name, value in plain.items():
        # A line break would be a new setting, a semicolon a comment, a comma a new argument in the dialplan.
        if not value or re.search(r"[\x00-\x1f;,\[\]]", value):
            raise AsteriskFailed(
                f"The setting {name} is empty or holds a character Asterisk's files cannot carry."
            )
    names = [trunk.endpoint for trunk in options.trunks]
    if len(names) != len(set(names)):
        raise AsteriskFailed("Two trunks have the same name.")
    for trunk in options.trunks:
        trunk.check()
    return plain | {
        "transport_extra": _external(options.external_address),
        "trunk_sections": "\n".join(_trunk_section(trunk, options.language) for trunk in options.trunks),
        "trunk_acls": "\n\n".join(_trunk_acl(trunk) for trunk in options.trunks),
        "extra_modules": "\n".join(f"load = {module}" for module in options.extra_modules),
        "extra_dialplan": options.extra_dialplan,
        "extra_pjsip": options.extra_pjsip,
    }


def _trunk_section(trunk: Trunk, language: str) -> str:
    text = resources.files("asterisk_conf").joinpath("trunk.part").read_text("utf-8")
    return _Template(text).substitute(trunk.variables(language))


def _trunk_acl(trunk: Trunk) -> str:
    permits = [f"permit = {source}" for source in trunk.match]
    return "\n".join([f"[{trunk.endpoint}]", "deny = 0.0.0.0/0.0.0.0", "deny = ::/0", *permits])


def _external(address: str | None) -> str:
    if address is None:
        return ""
    private = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8")
    nets = "\n".join(f"local_net = {net}" for net in private)
    return f"external_media_address = {address}\nexternal_signaling_address = {address}\n{nets}"


def write(settings: ServerSettings) -> None:
    """Lay out the run folder: configuration, sounds, recordings and all that Asterisk wants to find.

    The configuration holds the ARI password, so the folder is readable by its owner only.
    """
    run_dir = settings.run_dir
    if len(str(run_dir / "run" / "asterisk.ctl")) > _SOCKET_PATH_LIMIT:
        raise AsteriskFailed(
            "The path of Asterisk's run folder is too long for a unix socket; choose a shorter one."
        )
    files = render(settings)
    run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    run_dir.chmod(0o700)
    for name in ("etc", "lib", "lib/keys", "data", "spool", "cache", "run", "log"):
        (run_dir / name).mkdir(exist_ok=True)
    # Asterisk makes neither of these, and answers 500 to a recording without them.
    (settings.recordings_dir / "away").mkdir(parents=True, exist_ok=True)
    settings.sounds_dir.mkdir(parents=True, exist_ok=True)
    _link(run_dir / "spool" / "recording", settings.recordings_dir)
    _link(run_dir / "data" / "sounds", settings.sounds_dir)
    for name in ("documentation", "rest-api"):
        _link(run_dir / "data" / name, settings.data_dir / name)
    for stale in (run_dir / "etc").iterdir():
        if stale.name not in files:
            stale.unlink()
    for name, text in files.items():
        path = run_dir / "etc" / name
        path.touch(mode=0o600)
        path.write_text(text, "utf-8")


def _link(link: Path, target: Path) -> None:
    if link.is_symlink():
        link.unlink()
    link.symlink_to(target)
