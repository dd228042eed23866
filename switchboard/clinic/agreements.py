"""Texts of agreements and decisions, drafted from fields: a pure function, the same fields give the same text."""

from __future__ import annotations

import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from switchboard.clinic.catalogue.model import Words
from switchboard.clinic.errors import CatalogueInvalid, Unfit

FILE = Path(__file__).parent / "catalogue" / "agreements.toml"
EMPTY = "无"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Field(_Table):
    id: str
    zh: str
    en: str


class _Agreement(_Field):
    electronic: bool
    terms: list[str] = Field(min_length=1)
    fields: list[_Field] = Field(min_length=1)


class _Texts(_Table):
    agreement: str
    application: str
    confirmed: str
    rejected: str


class _File(_Table):
    texts: _Texts
    common: list[_Field]
    agreements: list[_Agreement]


@dataclass(frozen=True, slots=True)
class AgreementField:
    id: str
    words: Words


@dataclass(frozen=True, slots=True)
class Agreement:
    """``fields``: the common ones and its own, all to be filled."""

    id: str
    words: Words
    electronic: bool
    text: str
    templates: tuple[str, ...]
    fields: tuple[AgreementField, ...]

    def checked(self, fields: Mapping[str, str]) -> dict[str, str]:
        """Raises Unfit naming fields that are missing or unknown; an empty one is written as such."""
        known = {one.id for one in self.fields}
        wrong = tuple(sorted(f"data.fields.{one}"[:64] for one in known ^ fields.keys()))
        if wrong:
            raise Unfit(fields=wrong)
        return {name: fields[name].strip() or EMPTY for name in known}

    def terms(self, fields: Mapping[str, str]) -> tuple[str, ...]:
        """One for each line; those that say nothing are left out."""
        filled = self.checked(fields)
        lines = "\n".join(fill(one, filled) for one in self.templates).splitlines()
        return tuple(line.strip() for line in lines if line.strip() not in ("", EMPTY))

    def draft(self, fields: Mapping[str, str], parties: str, copies: int) -> str:
        """What is read out and signed."""
        numbered = "\n".join(f"{n}. {one}" for n, one in enumerate(self.terms(fields), 1))
        given = self.checked(fields) | {"parties": parties, "copies": str(copies), "terms": numbered}
        return fill(self.text, given)


@dataclass(frozen=True, slots=True)
class Texts:
    agreements: Mapping[str, Agreement]
    application: str
    confirmed: str
    rejected: str


def fill(text: str, fields: Mapping[str, str]) -> str:
    """``fields`` are put in as they are: what looks like a field within them stays text."""
    return string.Template(text.strip()).safe_substitute(fields) + "\n"


def read_texts(text: str) -> Texts:
    """Raises CatalogueInvalid naming every mistake."""
    try:
        made = _File.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise CatalogueInvalid([f"{FILE.name}: not TOML: {error}"]) from None
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise CatalogueInvalid(
            [f"{FILE.name}: {'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found]
        ) from None
    common = tuple(made.common)
    problems = [
        f"{FILE.name}: {one.id}: a term has ${{{name}}}, which is no field"
        for one in made.agreements
        for term in one.terms
        for name in sorted(
            set(string.Template(term).get_identifiers()) - {field.id for field in (*common, *one.fields)}
        )
    ]
    if problems:
        raise CatalogueInvalid(problems)
    agreements = {
        one.id: Agreement(
            one.id,
            Words(one.zh, one.en),
            one.electronic,
            made.texts.agreement,
            tuple(one.terms),
            tuple(AgreementField(field.id, Words(field.zh, field.en)) for field in (*common, *one.fields)),
        )
        for one in made.agreements
    }
    return Texts(agreements, made.texts.application, made.texts.confirmed, made.texts.rejected)


@lru_cache(maxsize=1)
def texts() -> Texts:
    return read_texts(FILE.read_text("utf-8"))
