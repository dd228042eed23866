"""CSV that somebody sends us, as spreadsheets write it."""

from __future__ import annotations

import asyncio

from switchboard.errors import InvalidInput, TooLarge
from switchboard.web.routes import Call

MOST_CSV = 4 * 1024 * 1024
CSV_S = 60.0


async def csv_text(call: Call, most: int = MOST_CSV) -> str:
    """The body, of at most ``most`` bytes: the general limit for bodies is too small for a list of people."""
    request, body = call.request, bytearray()
    if request.content_type != "text/csv":
        raise InvalidInput(fields=("content-type",))
    try:
        async with asyncio.timeout(CSV_S):
            async for chunk in request.content.iter_chunked(64 * 1024):
                body += chunk
                if len(body) > most:
                    raise TooLarge
    except TimeoutError:
        raise InvalidInput(fields=("body",)) from None
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            return body.decode("gb18030")  # what a Chinese spreadsheet writes
        except UnicodeDecodeError:
            raise InvalidInput(fields=("body",)) from None
