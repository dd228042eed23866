"""The pages as a person at a computer uses them: signing in, pressing what is on the screen, listening."""

from __future__ import annotations

from contextlib import suppress

from playwright.async_api import Browser, Locator, Page, TimeoutError, expect

from tests.support.switchboard import PASSWORD, Switchboard, eventually

PATIENCE_S = 30.0
"""For whatever is waited for: a machine with one busy core draws a page slowly."""
HEARD = 0.02
"""Amplitude of a tone in the browser, full scale 1: a tone sent at -12 dBFS arrives at about 0.25."""

expect.set_options(timeout=PATIENCE_S * 1000)


async def sign_in(
    browser: Browser,
    switchboard: Switchboard,
    name: str,
    path: str,
    *,
    port: int | None = None,
    before: str | None = None,
) -> Page:
    """``port``: of a relay in front of the switchboard; ``before``: a script that runs before any of the page's own."""
    context = await browser.new_context(
        base_url=f"http://localhost:{port or switchboard.http_port}", locale="zh-CN", bypass_csp=False
    )
    context.set_default_timeout(PATIENCE_S * 1000)
    await context.grant_permissions(["microphone", "camera", "notifications"])
    if before:
        await context.add_init_script(before)
    page = await context.new_page()
    await page.goto("/sign-in")
    await at(page, "name").fill(name)
    await at(page, "password").fill(PASSWORD)
    await at(page, "submit").click()
    await page.wait_for_url(f"**{path}")
    return page


def at(page: Page, name: str) -> Locator:
    return page.locator(f'[data-test="{name}"]')


async def ready(desk: Page, *, free: bool = True) -> None:
    """Through the set-up. Without ``free`` somebody may wait already, and a card comes at once."""
    await at(desk, "set-up-ready").click()
    if free:
        await expect(at(desk, "state")).to_have_attribute("data-state", "available")
    await eventually(lambda: _registered(desk), PATIENCE_S, "the softphone is registered")


async def accept(desk: Page) -> None:
    """Take the caller who waits. A card that a busy machine showed too late comes again after "I am back"."""

    async def taken() -> bool:
        if await at(desk, "call").count():
            return True
        for button in ("back", "accept"):
            with suppress(TimeoutError):
                if await at(desk, button).count():
                    await at(desk, button).click(timeout=2_000)
        return False

    await eventually(taken, 2 * PATIENCE_S, "the call is on the desk")


async def probe(desk: Page, what: str) -> object:
    return await desk.evaluate(f"window.__desk.{what}")


async def _registered(desk: Page) -> bool:
    return bool(await probe(desk, "registered"))


async def active(desk: Page) -> bool:
    """Whether the softphone is in a call."""
    return await probe(desk, "session") == "active"


async def hears(desk: Page, hertz: int, seconds: float = PATIENCE_S) -> None:
    async def loud() -> bool:
        heard = await desk.evaluate(f"window.__desk.tone({hertz})")
        return heard > HEARD

    await eventually(loud, seconds, f"{hertz} Hz in the browser")


async def hears_not(desk: Page, hertz: int, seconds: float = PATIENCE_S) -> None:
    """Until three looks in a row found nothing of this tone."""
    looks = 0

    async def quiet() -> bool:
        nonlocal looks
        looks = looks + 1 if await desk.evaluate(f"window.__desk.tone({hertz})") < HEARD / 4 else 0
        return looks >= 3

    await eventually(quiet, seconds, f"no {hertz} Hz in the browser")
