"""Lines to the telephone network as an operator writes them: ``[[trunks]]`` in the configuration (docs/trunk.md)."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from ivr.dialling import TrunkRules
from ivr.errors import AsteriskFailed
from ivr.server.trunk import Trunk

_HOST = r"^[A-Za-z0-9]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?$"


class TrunkConfig(BaseModel):
    """One trunk. Every description says what to write, for the messages of ``check-config``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(
        "",
        pattern=r"^[a-z0-9-]{0,20}$",
        description="up to 20 small letters and digits; differs between trunks",
    )
    addresses: tuple[str, ...] = Field(
        (), description='the networks it calls from, as ["10.1.2.0/24"]; none: those of host'
    )
    host: str | None = Field(
        None,
        pattern=_HOST,
        description="the name or address that takes our calls; none: no calls to the outside",
    )
    port: int = Field(5060, ge=1, le=65535, description="a port from 1 to 65535")
    transport: Literal["udp", "tcp"] = Field("udp", description="udp or tcp")
    proxy: str | None = Field(None, pattern=_HOST, description="host or host:port that our calls pass first")
    user: str | None = Field(None, pattern=r"^[A-Za-z0-9_.+-]{1,64}$", description="the name of the account")
    password: SecretStr | None = Field(None, description="the account's password")
    registration: bool = Field(False, description="true where the operator asks us to register")
    number: str | None = Field(
        None, pattern=r"^\+?[0-9]{3,15}$", description="the hotline's number on a trunk that registers"
    )
    codecs: tuple[Literal["alaw", "ulaw", "g722", "opus"], ...] = Field(
        ("alaw", "ulaw"), description='the best first, of ["alaw", "ulaw", "g722", "opus"]'
    )
    dtmf: Literal["auto", "rfc4733", "inband"] = Field("auto", description="auto, rfc4733 or inband")
    trust_caller_id: bool = Field(
        True, description="true where P-Asserted-Identity is the operator's own word"
    )
    silent_s: int = Field(
        60, ge=5, le=3600, description="seconds without a packet after which a call has ended"
    )
    short_numbers: frozenset[str] = Field(
        frozenset(), description='more short numbers that may be called, as ["12345"]'
    )
    international: bool = Field(False, description="true to allow calls to other countries")
    premium: bool = Field(False, description="true to allow calls to service numbers")
    number_form: Literal["national", "e164"] = Field("national", description="national or e164")
    prefix: str = Field("", pattern=r"^[0-9]{0,4}$", description="digits before each number, such as 9")

    @field_validator("addresses")
    @classmethod
    def _networks(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for network in given:
            try:
                ip_network(network)
            except ValueError:
                raise ValueError("an entry is no network") from None
        return given

    @field_validator("codecs")
    @classmethod
    def _codecs(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        if not given or len(given) != len(set(given)):
            raise ValueError("name at least one codec, and none twice")
        return given

    @field_validator("short_numbers")
    @classmethod
    def _short(cls, given: frozenset[str]) -> frozenset[str]:
        if not all(re.fullmatch(r"[0-9]{3,6}", number) for number in given):
            raise ValueError("a short number has 3 to 6 digits")
        return given

    @model_validator(mode="after")
    def _fits(self) -> TrunkConfig:
        if not self.addresses and self._host_network() is None:
            raise ValueError("addresses are needed, unless host is an address itself")
        if self.password and not self.user:
            raise ValueError("password needs user")
        if self.registration and not (self.host and self.user and self.password):
            raise ValueError("registration needs host, user and password")
        if self.registration and not self._called_number():
            raise ValueError("registration needs number, because user is not one")
        try:
            self.for_asterisk().check()
        except AsteriskFailed as error:
            raise ValueError(str(error)) from None
        return self

    def _host_network(self) -> str | None:
        try:
            return str(ip_network(self.host)) if self.host else None
        except ValueError:
            return None

    def _called_number(self) -> str | None:
        return self.number or (
            self.user if self.user and re.fullmatch(r"\+?[0-9]{3,15}", self.user) else None
        )

    def for_asterisk(self) -> Trunk:
        """What Asterisk is configured with."""
        return Trunk(
            match=self.addresses or (self._host_network() or "",),
            name=self.name,
            host=self.host,
            port=self.port,
            transport=self.transport,
            proxy=self.proxy,
            user=self.user,
            password=self.password.get_secret_value() if self.password else None,
            register=self.registration,
            number=self._called_number(),
            codecs=self.codecs,
            dtmf=self.dtmf,
            trust_caller_id=self.trust_caller_id,
            silent_s=self.silent_s,
        )

    def rules(self) -> TrunkRules | None:
        """What may be called through it; None where nothing is."""
        if self.host is None:
            return None
        return TrunkRules(
            endpoint=self.for_asterisk().endpoint,
            short_numbers=self.short_numbers,
            international=self.international,
            premium=self.premium,
            form=self.number_form,
            prefix=self.prefix,
        )
