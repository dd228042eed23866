"""Volunteers, their skills, and the accounts by which people sign in."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import itertools
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from switchboard.errors import NameTaken, UnknownAgent, WeakPassword, WeakPin
from switchboard.records.database import Database
from switchboard.records.events import is_slug, is_text
from switchboard.records.models import AccountRow, Agent, AgentSkill

Role = Literal["volunteer", "supervisor", "administrator"]
ROLES: tuple[Role, ...] = ("volunteer", "supervisor", "administrator")


@dataclass(frozen=True, slots=True)
class AgentRow:
    """``role`` is the profession (lawyer, notary, ...), ``skills`` are matter -> level 1 to 5.

    A ``backup`` volunteer signs in on standby and is made available when too many wait."""

    id: str
    name: str
    role: str
    district: str | None = None
    languages: tuple[str, ...] = ("zh",)
    team: str | None = None
    suspended: bool = False
    licence_until: dt.date | None = None
    demo: bool = False
    backup: bool = False
    skills: Mapping[str, int] = field(default_factory=dict)

    def may_serve(self, today: dt.date) -> bool:
        """Not suspended, and the licence (where one is known) has not run out."""
        return not self.suspended and (self.licence_until is None or today <= self.licence_until)


@dataclass(frozen=True, slots=True)
class Account:
    """Who may sign in. ``epoch`` grows with every change that must end older sessions."""

    name: str
    role: Role
    agent_id: str | None = None
    disabled: bool = False
    epoch: int = 1


def is_fit_pin(pin: str) -> bool:
    """Not one digit over and over, not a row such as 123456 or 987654, not two digits in turn."""
    if not re.fullmatch(r"[0-9]{6,12}", pin):
        return False
    steps = {(int(second) - int(first)) % 10 for first, second in itertools.pairwise(pin)}
    return steps not in ({0}, {1}, {9}) and pin != pin[:2] * (len(pin) // 2) and pin[:3] != pin[3:]


class Passwords:
    """argon2id, at most two at a time: each takes 64 MiB for about 50 ms."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._room = asyncio.Semaphore(2)
        self._nobody = _hash_of_nothing(self._hasher)

    async def hash_pin(self, pin: str) -> str:
        """A PIN is keyed in on a telephone: 6 to 12 digits, and none that everybody tries first."""
        if not is_fit_pin(pin):
            raise WeakPin
        async with self._room:
            return await asyncio.to_thread(self._hasher.hash, pin)

    async def hash(self, password: str) -> str:
        if not is_text(password, 256) or len(password) < 8:
            raise WeakPassword
        async with self._room:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Takes as long for an account that does not exist (``stored`` None) as for one that does."""
        async with self._room:
            matches = await asyncio.to_thread(self._matches, stored or self._nobody, password)
        return matches and stored is not None

    def outdated(self, stored: str) -> bool:
        return self._hasher.check_needs_rehash(stored)

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError, UnicodeError):
            return False


def _hash_of_nothing(hasher: PasswordHasher) -> str:
    """What no password matches, and takes as long to find out as any other; made without hashing at each start."""
    salt, digest = (
        base64.b64encode(os.urandom(length)).rstrip(b"=").decode()
        for length in (hasher.salt_len, hasher.hash_len)
    )
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v={ARGON2_VERSION}${costs}${salt}${digest}"


class People:
    """Agents and accounts in the database."""

    def __init__(self, database: Database, passwords: Passwords) -> None:
        self._database = database
        self._passwords = passwords

    async def agents(self) -> list[AgentRow]:
        async with self._database.read() as connection:
            return await _agents(connection, None)

    async def agent(self, ident: str) -> AgentRow | None:
        async with self._database.read() as connection:
            found = await _agents(connection, ident)
        return found[0] if found else None

    async def upsert_agent(self, agent: AgentRow) -> None:
        """Stores the whole row; skills not named are taken away. Raises ValueError on a row that cannot be
        one.
        """
        _check_agent(agent)
        values = asdict(agent)
        skills = values.pop("skills")
        values["languages"] = list(agent.languages)
        async with self._database.write() as connection:
            known = await connection.execute(update(Agent).where(Agent.id == agent.id).values(**values))
            if known.rowcount == 0:
                await connection.execute(insert(Agent).values(**values))
            await connection.execute(delete(AgentSkill).where(AgentSkill.agent == agent.id))
            if skills:
                rows = [{"agent": agent.id, "matter": matter, "level": skills[matter]} for matter in skills]
                await connection.execute(insert(AgentSkill), rows)

    async def remove_agent(self, ident: str) -> bool:
        async with self._database.write() as connection:
            gone = await connection.execute(delete(Agent).where(Agent.id == ident))
        return gone.rowcount > 0

    async def create_account(
        self, name: str, password: str, role: Role, agent_id: str | None = None
    ) -> Account:
        """Raises NameTaken, WeakPassword, UnknownAgent, and ValueError on an impossible name or role."""
        if not is_slug(name) or role not in ROLES:
            raise ValueError("not an account name or role")
        if agent_id is not None and await self.agent(agent_id) is None:
            raise UnknownAgent
        account = Account(name, role, agent_id)
        values = asdict(account) | {"password_hash": await self._passwords.hash(password)}
        try:
            async with self._database.write() as connection:
                await connection.execute(insert(AccountRow).values(**values))
        except IntegrityError as error:
            raise NameTaken from error
        return account

    async def set_password(self, name: str, password: str) -> bool:
        """Ends all sessions of the account. False when there is none of this name."""
        return await self._change(name, password_hash=await self._passwords.hash(password))

    async def set_disabled(self, name: str, disabled: bool) -> bool:
        """Ends all sessions of the account. False when there is none of this name."""
        return await self._change(name, disabled=disabled)

    async def account(self, name: str) -> Account | None:
        found = await self._account_row(name)
        return None if found is None else found[0]

    async def accounts(self) -> list[Account]:
        async with self._database.read() as connection:
            rows = await connection.execute(select(*_ACCOUNT_COLUMNS).order_by(AccountRow.name))
            return [_account(row) for row in rows]

    async def verify_password(self, name: str, password: str) -> Account | None:
        """The account, or None for a wrong password, an unknown name and a disabled account alike."""
        found = await self._account_row(name)
        right = await self._passwords.verify(found[1] if found else None, password)
        if found is None or not right or found[0].disabled:
            return None
        if self._passwords.outdated(found[1]):
            fresh = await self._passwords.hash(password)
            async with self._database.write() as connection:
                same = (AccountRow.name == name) & (AccountRow.password_hash == found[1])
                await connection.execute(update(AccountRow).where(same).values(password_hash=fresh))
        return found[0]

    async def _account_row(self, name: str) -> tuple[Account, str] | None:
        if not is_slug(name):
            return None
        async with self._database.read() as connection:
            wanted = select(*_ACCOUNT_COLUMNS, AccountRow.password_hash).where(AccountRow.name == name)
            row = (await connection.execute(wanted)).first()
        return None if row is None else (_account(row), row.password_hash)

    async def _change(self, name: str, **values: Any) -> bool:
        async with self._database.write() as connection:
            changed = await connection.execute(
                update(AccountRow).where(AccountRow.name == name).values(epoch=AccountRow.epoch + 1, **values)
            )
        return changed.rowcount > 0


_ACCOUNT_COLUMNS = (
    AccountRow.name,
    AccountRow.role,
    AccountRow.agent_id,
    AccountRow.disabled,
    AccountRow.epoch,
)


def _account(row: Any) -> Account:
    return Account(row.name, row.role, row.agent_id, row.disabled, row.epoch)


async def _agents(connection: AsyncConnection, ident: str | None) -> list[AgentRow]:
    wanted = select(Agent.__table__).order_by(Agent.id)
    skills = select(AgentSkill.agent, AgentSkill.matter, AgentSkill.level).order_by(AgentSkill.matter)
    if ident is not None:
        wanted = wanted.where(Agent.id == ident)
        skills = skills.where(AgentSkill.agent == ident)
    by_agent: dict[str, dict[str, int]] = {}
    for agent, matter, level in await connection.execute(skills):
        by_agent.setdefault(agent, {})[matter] = level
    found = []
    for row in await connection.execute(wanted):
        values = dict(row._mapping)
        values["languages"] = tuple(values["languages"])
        found.append(AgentRow(**values, skills=by_agent.get(row.id, {})))
    return found


def _check_agent(agent: AgentRow) -> None:
    optional = [value for value in (agent.district, agent.team) if value is not None]
    if not all(is_slug(value) for value in (agent.id, agent.role, *agent.languages, *agent.skills)):
        raise ValueError("id, role, languages and skills of an agent are identifiers")
    if not all(is_text(value, 64) for value in optional) or not is_text(agent.name, 80) or not agent.name:
        raise ValueError("name, district and team of an agent are short texts")
    if not all(1 <= level <= 5 for level in agent.skills.values()):
        raise ValueError("a skill has a level of 1 to 5")
