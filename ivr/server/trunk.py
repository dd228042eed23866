"""A trunk: a line to the telephone network, as one value, and what Asterisk is told of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from ivr.errors import AsteriskFailed

Codec = Literal["alaw", "ulaw", "g722", "opus"]
Dtmf = Literal["auto", "rfc4733", "inband"]
Transport = Literal["udp", "tcp"]

PREFIX = "trunk"
FAX_HEARD_S = 40
"""A calling machine says so within its first seconds; later a voice might be taken for one."""

_UNFIT = re.compile(r"[\x00-\x1f;,\[\]]")
_SECRET = re.compile(r"[^\x00-\x20\x7f\\]+")


@dataclass(frozen=True, slots=True)
class Trunk:
    """One line to the telephone network.

    `match` are the addresses (CIDR) it calls from, and the only ones. `host` is where calls to the outside go (None:
    none are made), `proxy` a host[:port] that they pass first. With `register` Asterisk signs in at `host` as `user`
    and asks for calls to be sent to `number`; without, `user` and `password` only answer the other side's challenge.
    `codecs` are offered in this order. `dtmf`: `auto` takes RFC 4733 where the other side speaks it and listens for
    tones where it does not. `trust_caller_id`: P-Asserted-Identity names the caller. A call without a packet for
    `silent_s` seconds has lost its other side and is ended.
    """

    match: tuple[str, ...] = ("127.0.0.1/32",)
    name: str = ""
    host: str | None = None
    port: int = 5060
    transport: Transport = "udp"
    proxy: str | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    register: bool = False
    number: str | None = None
    expires_s: int = 300
    codecs: tuple[Codec, ...] = ("alaw", "ulaw")
    dtmf: Dtmf = "auto"
    trust_caller_id: bool = True
    silent_s: int = 60

    @property
    def endpoint(self) -> str:
        """What Asterisk calls it; no volunteer's phone may be called so."""
        return f"{PREFIX}-{self.name}" if self.name else PREFIX

    @property
    def uri(self) -> str | None:
        """Where calls to the outside go."""
        if self.host is None:
            return None
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"sip:{host}:{self.port}" + (";transport=tcp" if self.transport == "tcp" else "")

    def check(self) -> None:
        """Raise AsteriskFailed for a value that would break out of its line; no message holds the value."""
        given = (self.host, self.proxy, self.user, self.number)
        plain = [*self.match, *(text for text in given if text is not None)]
        if not self.match or not all(plain) or any(_UNFIT.search(text) for text in (*plain, self.name)):
            raise AsteriskFailed(
                "A setting of a trunk is empty or holds a character Asterisk's files cannot carry."
            )
        if self.password is not None and not _SECRET.fullmatch(self.password):
            raise AsteriskFailed("A trunk's password is empty or holds a space, a backslash or worse.")
        if self.register and not (self.host and self.user and self.password and self.number):
            raise AsteriskFailed("A trunk that registers needs host, user, password and number.")

    def variables(self, language: str) -> dict[str, str]:
        """What fills the template trunk.part."""
        auth = "\n".join([f"outbound_auth = {self.endpoint}"] if self.password else [])
        user = [f"from_user = {self.user}"] if self.register else []
        domain = [f"from_domain = {self.host}"] if self.host and self.register else []
        lines = [
            *([f"aors = {self.endpoint}"] if self.uri else []),
            *([auth] if auth else []),
            *user,
            *domain,
        ]
        return {
            "endpoint": self.endpoint,
            "transport": self.transport,
            "codecs": ",".join(self.codecs),
            "dtmf": self.dtmf,
            "trust": "yes" if self.trust_caller_id else "no",
            "silent_s": str(self.silent_s),
            "fax_s": str(FAX_HEARD_S),
            "language": language,
            "more_lines": "\n".join([*lines, *self._proxy()]),
            "match_lines": "\n".join(f"match = {source}" for source in self.match),
            "more_sections": "\n\n".join(self._sections()),
        }

    def _proxy(self) -> list[str]:
        if not self.proxy:
            return []
        tcp = r"\;transport=tcp" if self.transport == "tcp" else ""
        return [f"outbound_proxy = sip:{self.proxy}{tcp}\\;lr"]

    def _sections(self) -> list[str]:
        """The aor, the secret and the registration, where there are any."""
        found: list[list[str]] = []
        uri = (self.uri or "").replace(";", r"\;")
        if uri:
            found.append(["type = aor", f"contact = {uri}", "qualify_frequency = 60", *self._proxy()])
        if self.password:
            secret = self.password.replace(";", r"\;")
            found.append(
                ["type = auth", "auth_type = userpass", f"username = {self.user}", f"password = {secret}"]
            )
        if self.register:
            client = uri.replace("sip:", f"sip:{self.user}@", 1)
            found.append(
                [
                    "type = registration",
                    f"transport = {self.transport}",
                    f"outbound_auth = {self.endpoint}",
                    f"server_uri = {uri}",
                    f"client_uri = {client}",
                    f"contact_user = {self.number}",
                    f"expiration = {self.expires_s}",
                    "retry_interval = 15",
                    "forbidden_retry_interval = 300",
                    "fatal_retry_interval = 300",
                    "auth_rejection_permanent = no",
                    "max_retries = 1000000",
                    *self._proxy(),
                ]
            )
        return [f"[{self.endpoint}]\n" + "\n".join(lines) for lines in found]
