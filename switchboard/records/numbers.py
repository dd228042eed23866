"""Telephone numbers as they are shown: masked, unless somebody with a reason asks for more."""

from __future__ import annotations

_STARS = "****"


def mask_number(number: str | None) -> str:
    """``13812345678`` -> ``138****5678``; a withheld number is empty. The country code of China is left out.

    Of a number of 11 and more the first three and last four stay, of one of 7 to 10 the first and last two; a
    shorter one shows nothing, since two of five digits would be nearly the whole of it.
    """
    if not number:
        return ""
    plain = number.strip().removeprefix("+86").removeprefix("0086")
    if len(plain) >= 11:
        return plain[:3] + _STARS + plain[-4:]
    if len(plain) >= 7:
        return plain[:2] + _STARS + plain[-2:]
    return _STARS
