"""Telephone numbers: whom we may call, and who called.

The only place where a number becomes something to dial. A browser or a caller never says more than digits; what is
not a valid national number, not on the hotline's own list and not opened by the operator never reaches the trunk.

Numbers are compared and stored in one form: the national number's digits for the trunk's own region ("13800138000",
"01085281700"), "+" and the digits of E.164 for the others, bare digits for what is no regular number (short numbers).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberFormat, PhoneNumberType

from ivr.errors import NumberRefused

Form = Literal["national", "e164"]

REGION = "CN"
MOST_GIVEN = 32
_LONGEST_SHORT = 6
_SPACING = re.compile(r"[ ()./-]")
_DIGITS = re.compile(r"[0-9]{3,15}")
_WITHHELD = frozenset(
    {"anonymous", "unavailable", "restricted", "private", "unknown", "asserted", "withheld"}
)
_ORDINARY = frozenset(
    {
        PhoneNumberType.FIXED_LINE,
        PhoneNumberType.MOBILE,
        PhoneNumberType.FIXED_LINE_OR_MOBILE,
        PhoneNumberType.TOLL_FREE,
    }
)


@dataclass(frozen=True, slots=True)
class TrunkRules:
    """What may be called through one trunk, and how it wants to be told.

    ``endpoint`` is Asterisk's name of the trunk. ``short_numbers`` may be called besides those that a hotline lists.
    ``form``: ``national`` digits ("01085281700") or ``e164`` digits without the plus ("861085281700").
    ``prefix``: digits put before every regular number, such as "9" for an exchange.
    """

    endpoint: str
    region: str = REGION
    short_numbers: frozenset[str] = field(default_factory=frozenset)
    international: bool = False
    premium: bool = False
    form: Form = "national"
    prefix: str = ""


def trunk_endpoint(number: str, trunk: TrunkRules, *, listed: Collection[str] = ()) -> str:
    """What `Channel.originate` is given to call ``number`` through ``trunk``: "PJSIP/<digits>@<trunk>".

    ``listed`` are the short numbers (12345, 110) that the hotline's own data names; no other short number is called.
    Raises ``NumberRefused`` with the reason; its text holds no number.
    """
    plain = _plain(number)
    if plain in trunk.short_numbers or plain in listed:
        return _dial_string(plain, trunk)
    if len(plain) <= _LONGEST_SHORT:
        raise NumberRefused("not_listed", "a short number that the hotline does not list")
    known = _parsed(plain, trunk.region)
    if known is None:
        raise NumberRefused("not_valid", "not a valid telephone number")
    if phonenumbers.region_code_for_number(known) != trunk.region and not trunk.international:
        raise NumberRefused("international", "calls to other countries are not opened")
    if phonenumbers.number_type(known) not in _ORDINARY and not trunk.premium:
        raise NumberRefused("premium", "calls to service numbers are not opened")
    return _dial_string(trunk.prefix + _digits_for(known, trunk), trunk)


def caller_number(given: str | None, region: str = REGION) -> str | None:
    """The caller's number in our one form; None when it is withheld, empty or no number at all.

    What a trunk sends is anybody's text: letters, 400 characters or an address with markup are no number.
    """
    if not given or len(given) > MOST_GIVEN or given.strip().lower() in _WITHHELD:
        return None
    try:
        plain = _plain(given)
    except NumberRefused:
        return None
    known = _parsed(plain, region) if len(plain) > _LONGEST_SHORT else None
    return _stored(known, region) if known else plain


def own_number(given: str, region: str = REGION) -> str:
    """A volunteer's own telephone in our one form: an ordinary number of the trunk's own country.

    Raises ``NumberRefused`` with the reason.
    """
    plain = _plain(given)
    known = _parsed(plain, region)
    if known is None or len(plain) <= _LONGEST_SHORT:
        raise NumberRefused("not_valid", "not a valid telephone number")
    if phonenumbers.region_code_for_number(known) != region:
        raise NumberRefused("international", "a number of another country")
    if phonenumbers.number_type(known) not in _ORDINARY - {PhoneNumberType.TOLL_FREE}:
        raise NumberRefused("premium", "a service number")
    return _national(known)


def known_number(given: str, region: str = REGION) -> PhoneNumber | None:
    """The regular, valid number that is written here in our one form; None for short numbers and all else."""
    return _parsed(given, region) if len(given) > _LONGEST_SHORT else None


def _plain(number: str) -> str:
    """Digits, with a plus before them when the number was written so. Raises NumberRefused."""
    if not isinstance(number, str) or len(number) > MOST_GIVEN:
        raise NumberRefused("not_digits", "not a telephone number")
    bare = _SPACING.sub("", number)
    if not _DIGITS.fullmatch(bare.removeprefix("+")):
        raise NumberRefused("not_digits", "a number has 3 to 15 digits")
    return bare


def _parsed(plain: str, region: str) -> PhoneNumber | None:
    """The valid number meant: written nationally, with + or 00, with the country code alone, or 0 before a mobile."""
    code = str(phonenumbers.country_code_for_region(region))
    tries = [plain]
    if plain.startswith(code):
        tries.append(f"+{plain}")
    for text in tries:
        try:
            known = phonenumbers.parse(text, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(known):
            return known
    return None


def _stored(known: PhoneNumber, region: str) -> str:
    if phonenumbers.region_code_for_number(known) != region:
        return phonenumbers.format_number(known, PhoneNumberFormat.E164)
    return _national(known)


def _national(known: PhoneNumber) -> str:
    return re.sub(r"\D", "", phonenumbers.format_number(known, PhoneNumberFormat.NATIONAL))


def _digits_for(known: PhoneNumber, trunk: TrunkRules) -> str:
    at_home = phonenumbers.region_code_for_number(known) == trunk.region
    if trunk.form == "e164":
        return phonenumbers.format_number(known, PhoneNumberFormat.E164).removeprefix("+")
    if at_home:
        return _national(known)
    return re.sub(r"\D", "", phonenumbers.format_out_of_country_calling_number(known, trunk.region))


def _dial_string(digits: str, trunk: TrunkRules) -> str:
    """The last look before the trunk: digits and nothing else, whatever came before."""
    if not re.fullmatch(r"[0-9]{3,20}", digits):
        raise NumberRefused("not_digits", "a number has 3 to 15 digits")
    return f"PJSIP/{digits}@{trunk.endpoint}"
