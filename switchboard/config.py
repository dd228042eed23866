"""One typed configuration: ``SWITCHBOARD_*`` in the environment over one TOML file over the defaults, read once.

Every mistake is reported at once, each with the field's name and what to write. Secrets are ``SecretStr``: they are
never printed, not even by accident in a traceback.
"""

from __future__ import annotations

import os
import re
import tomllib
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from switchboard.errors import ConfigurationError
from switchboard.trunks import TrunkConfig

DEFAULT_FILE = "switchboard.toml"


class Config(BaseSettings):
    """Everything an operator may set. Paths are made absolute; ports are TCP or UDP port numbers; 0 turns one off."""

    model_config = SettingsConfigDict(env_prefix="SWITCHBOARD_", extra="forbid", frozen=True)

    data_dir: Path = Field(
        Path(".data"), description="a folder that may be written: database, recordings, keys"
    )
    cache_dir: Path = Field(Path(".cache"), description="a folder for fetched packages")

    http_host: str = Field("127.0.0.1", description="an address for plain HTTP; keep it on this machine")
    http_port: int = Field(8080, ge=0, le=65535, description="a port from 1 to 65535, or 0 for none")
    https_host: str = Field("0.0.0.0", description="an address for HTTPS")  # noqa: S104 - desks are elsewhere
    https_port: int = Field(8443, ge=0, le=65535, description="a port from 1 to 65535, or 0 for none")
    tls_certificate: Path | None = Field(None, description="a PEM file; without one a throw-away is made")
    tls_key: Path | None = Field(None, description="the PEM file of the certificate's key")
    allowed_origins: tuple[str, ...] = Field(
        (), description='more origins that may open sockets, as ["https://desk.example"]'
    )

    database_url: SecretStr | None = Field(
        None, description="sqlite+aiosqlite:///path or postgresql+psycopg://user:password@host/name"
    )
    redis_url: SecretStr | None = Field(
        None, description="redis://host:6379/0 or unix:///path; none: a private one"
    )

    asterisk: Literal["embedded", "external", "none"] = Field(
        "embedded", description="embedded (fetched and run here), external (set ari_url too), or none"
    )
    ari_url: str | None = Field(None, description="http://host:8088 of an Asterisk that runs elsewhere")
    ari_user: str = Field("switchboard", min_length=1, description="the ARI user's name")
    ari_password: SecretStr | None = Field(None, description="the ARI user's password")
    asterisk_user: str | None = Field(
        None, pattern=r"^[a-z_][a-z0-9_-]{0,31}$", description="the user Asterisk becomes when root starts it"
    )
    asterisk_http_port: int = Field(8088, ge=1, le=65535, description="a free port on loopback")
    sip_host: str = Field("127.0.0.1", description="the address on which SIP is answered")
    sip_port: int = Field(5060, ge=1, le=65535, description="a free port for SIP")
    rtp_first: int = Field(10000, ge=1024, le=65534, description="the first port for sound")
    rtp_last: int = Field(10999, ge=1025, le=65535, description="the last port for sound, above rtp_first")
    trunk_addresses: tuple[str, ...] = Field(
        ("127.0.0.1/32",), description='who may place calls, as ["10.1.2.0/24"]'
    )
    trunks: tuple[TrunkConfig, ...] = Field(
        (), max_length=20, description="[[trunks]] tables (docs/trunk.md), in place of trunk_addresses"
    )
    service_number: str | None = Field(
        None,
        pattern=r"^[0-9]{3,15}$",
        description="the number that volunteers call to sign in from an ordinary telephone",
    )

    video_host: str = Field("0.0.0.0", description="the address on which video is received")  # noqa: S104
    video_port: int = Field(
        8443, ge=0, le=65535, description="the one UDP port of all video, from 1 to 65535, or 0 for no video"
    )
    video_addresses: tuple[str, ...] = Field(
        (), description='what pages are told to send video to, as ["203.0.113.7"]; none: this machine\'s own'
    )
    video_turn_urls: tuple[str, ...] = Field(
        (), max_length=6, description='the relay for closed networks, as ["turn:turn.example:3478"]'
    )
    video_turn_secret: SecretStr | None = Field(None, description="the secret shared with that relay")
    video_turn_s: int = Field(3_600, ge=300, le=86_400, description="how long a page may use the relay, in s")
    tsa_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s]+$",
        description="the address of a time stamping authority (RFC 3161); none: this machine stamps itself",
    )
    tsa_certificates: Path | None = Field(
        None, description="a PEM file of the roots under which that authority stamps"
    )
    visit_kept_ms: int = Field(
        120_000, ge=5_000, le=600_000, description="how long a visit waits for a terminal that is gone, in ms"
    )
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?$",
        description="where citizens reach the pages, as https://12348.example; it begins the links they are sent",
    )
    link_sender: Literal["none", "file"] = Field(
        "file", description="how links are sent: file (outbox/ in data_dir, for trying out) or none"
    )
    link_s: int = Field(900, ge=60, le=86_400, description="how long a link into a room may be opened, in s")

    message_most_s: int = Field(180, ge=2, le=600, description="the longest message, in s")
    message_warn_s: int = Field(
        20, ge=1, le=60, description="how long before its end a caller is warned, in s"
    )
    message_silence_s: int = Field(6, ge=1, le=30, description="silence that ends a message, in s")
    attempt_gaps_ms: tuple[int, ...] = Field(
        (600_000, 3_600_000), max_length=9, description="between calls to somebody not reached, in ms"
    )
    call_from_hour: int = Field(8, ge=0, le=23, description="nobody is called back before this hour")
    call_until_hour: int = Field(21, ge=1, le=24, description="nobody is called back from this hour on")
    dial_ms: int = Field(
        40_000, ge=1_000, le=120_000, description="how long we let a caller's phone ring, in ms"
    )
    press_one_ms: int = Field(
        4_000, ge=500, le=20_000, description="how long whoever answers has for the key 1, thrice, in ms"
    )

    hotline_dir: Path | None = Field(
        None, description="a folder of hotline TOML files; none: the built-in 12348"
    )
    policy_file: Path | None = Field(None, description="a routing policy TOML file; none: the built-in one")
    calendar_file: Path | None = Field(
        None, description="a TOML file of holidays and make-up working days that the built-in table lacks"
    )
    time_zone: str = Field("Asia/Shanghai", description="a name of the IANA time zones, as Asia/Shanghai")
    prompt_overlay: Path | None = Field(
        None, description="a folder of <language>/<key>.wav in place of ours; none: prompts/ in data_dir"
    )

    leg_ms: int = Field(
        10_000, ge=2_000, le=60_000, description="how long a volunteer's phone may take, in ms"
    )
    phone_ring_ms: int = Field(
        25_000, ge=5_000, le=60_000, description="how long a volunteer's own telephone is rung, in ms"
    )
    phone_accept_ms: int = Field(
        15_000, ge=3_000, le=60_000, description="how long whoever picks it up may take to press 1, in ms"
    )
    wrap_up_ms: int = Field(60_000, ge=0, le=1_800_000, description="time after a contact, in ms")
    longest_wait_ms: int = Field(
        1_800_000, ge=5_000, le=7_200_000, description="when to let a caller go, in ms"
    )

    demo: Literal["none", "data", "live"] = Field(
        "none", description="none, data (volunteers to sign in as), or live (simulated calls too)"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="debug, info, warning, error"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = Path(os.environ.get("SWITCHBOARD_CONFIG", DEFAULT_FILE))
        sources: tuple[PydanticBaseSettingsSource, ...] = (init_settings, env_settings)
        return (*sources, TomlConfigSettingsSource(settings_cls, file)) if file.exists() else sources

    @field_validator("data_dir", "cache_dir", "hotline_dir", "policy_file", "calendar_file", "prompt_overlay")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return path.expanduser().absolute() if path else None

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("there is no such time zone") from None
        return name

    @model_validator(mode="after")
    def _fits_together(self) -> Config:
        wrong = []
        if self.rtp_last <= self.rtp_first:
            wrong.append("rtp_last must be above rtp_first")
        if (self.tls_certificate is None) != (self.tls_key is None):
            wrong.append("tls_certificate and tls_key belong together: set both or neither")
        if self.asterisk == "external" and not (self.ari_url and self.ari_password):
            wrong.append("asterisk = external needs ari_url and ari_password")
        if not self.trunks and not _are_networks(self.trunk_addresses):
            wrong.append('trunk_addresses are networks, as ["10.1.2.0/24"]')
        if self.trunks and "trunk_addresses" in self.model_fields_set:
            wrong.append("trunk_addresses belongs into the trunks: remove it")
        if len({trunk.name for trunk in self.trunks}) != len(self.trunks):
            wrong.append("trunks: two of them have the same name")
        if bool(self.video_turn_urls) != (self.video_turn_secret is not None):
            wrong.append("video_turn_urls and video_turn_secret belong together: set both or neither")
        if not all(_TURN.fullmatch(url) for url in self.video_turn_urls):
            wrong.append(
                "video_turn_urls: write turn:host:port or turns:host:port, with ?transport=udp or tcp"
            )
        if not _are_addresses((self.video_host, *self.video_addresses)):
            wrong.append('video_host and video_addresses are IP addresses, as ["203.0.113.7"]')
        if (self.tsa_url is None) != (self.tsa_certificates is None):
            wrong.append("tsa_url and tsa_certificates belong together: set both or neither")
        if not self.http_port and not self.https_port:
            wrong.append("http_port and https_port are both 0: nobody could open a page")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    @property
    def lines(self) -> tuple[TrunkConfig, ...]:
        """Every trunk; ``trunk_addresses`` alone is one that only calls us."""
        return self.trunks or (TrunkConfig.model_validate({"addresses": self.trunk_addresses}),)

    @property
    def recorded_prompts(self) -> Path:
        """The folder of studio recordings; it is made at the first upload."""
        return self.prompt_overlay or self.data_dir / "prompts"

    @property
    def run_dir(self) -> Path:
        return self.data_dir / "run"

    @property
    def control_socket(self) -> Path:
        return self.run_dir / "control.sock"

    @property
    def sql_url(self) -> str:
        if self.database_url:
            return self.database_url.get_secret_value()
        return f"sqlite+aiosqlite:///{self.data_dir / 'switchboard.sqlite'}"


_TURN = re.compile(r"turns?:[A-Za-z0-9.-]+(:[0-9]{1,5})?(\?transport=(udp|tcp))?")


def _are_addresses(given: tuple[str, ...]) -> bool:
    try:
        return bool([ip_address(address) for address in given])
    except ValueError:
        return False


def _are_networks(given: tuple[str, ...]) -> bool:
    try:
        return bool([ip_network(network) for network in given])
    except ValueError:
        return False


def load_config(**overrides: Any) -> Config:
    """Read environment and file once. Raises ``ConfigurationError`` naming every wrong field and what to write."""
    try:
        return Config(**overrides)
    except ValidationError as error:
        raise ConfigurationError(_explain(error)) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError([f"the configuration file is not TOML: {error}"]) from None


def _explain(error: ValidationError) -> list[str]:
    lines = []
    for item in error.errors(include_input=False, include_url=False):
        name = ".".join(str(part) for part in item["loc"])
        said = item["msg"].removeprefix("Value error, ")
        field = _field(item["loc"])
        if not name:
            lines.append(said)
        elif field is None or item["type"] == "extra_forbidden":
            lines.append(f"{name}: there is no such setting; remove it or correct its name")
        else:
            lines.append(f"{name}: {said}; write {field.description}")
    return lines


def _field(place: tuple[int | str, ...]) -> FieldInfo | None:
    """The setting that a mistake is about: a field of ours, or one of a trunk's."""
    first, *rest = place or ("",)
    inner = next((part for part in rest if isinstance(part, str)), None)
    if first == "trunks" and inner is not None:
        return TrunkConfig.model_fields.get(inner)
    return Config.model_fields.get(str(first))
