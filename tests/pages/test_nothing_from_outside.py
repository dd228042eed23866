"""Every page lives under a strict content security policy, loads nothing from elsewhere, and runs nobody's markup."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, Request, expect

from switchboard.web.files import PAGES
from tests.support.browser import PATIENCE_S, at, sign_in
from tests.support.switchboard import ADMINISTRATOR, SUPERVISOR, Switchboard, eventually

MARKUP = '<img src=x onerror="window.__ran = 1"><script>window.__ran = 2</script>'
WATCH = """
    window.__violations = []
    document.addEventListener('securitypolicyviolation', (e) =>
      window.__violations.push(`${e.effectiveDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`))
"""
WHO = {
    "/desk": "v901",
    "/board": SUPERVISOR,
    "/admin": ADMINISTRATOR,
    "/": SUPERVISOR,
    "/sign-in": SUPERVISOR,
    "/room": "v901",
    "/terminal": SUPERVISOR,
}


@pytest.fixture
async def switchboard() -> AsyncIterator[Switchboard]:
    async with Switchboard(volunteers=1) as running:
        async with running.records() as records:
            agent = await records.agent("v901")
            assert agent is not None
            await records.upsert_agent(replace(agent, name=MARKUP))
        yield running


async def opened(chromium: Browser, switchboard: Switchboard, path: str) -> tuple[Page, list[str]]:
    """The page, and the address of everything it asked for."""
    page = await sign_in(chromium, switchboard, WHO[path], _home(path), before=WATCH)
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    page.on("request", note)
    await page.goto(path, wait_until="load")
    await expect(page.locator("#page > *").first).to_be_attached()
    return page, asked


def _home(path: str) -> str:
    """Where each person comes to after signing in."""
    return {"/": "/board", "/sign-in": "/board", "/terminal": "/board", "/room": "/desk"}.get(path, path)


async def test_no_page_asks_anybody_else_breaks_its_policy_or_runs_what_is_slipped_in(
    switchboard: Switchboard, chromium: Browser
) -> None:
    for path in sorted(PAGES):
        page, asked = await opened(chromium, switchboard, path)
        hosts = {urlsplit(url).netloc for url in asked if not url.startswith(("data:", "blob:"))}
        assert hosts == {f"localhost:{switchboard.http_port}"}
        assert await page.evaluate("window.__violations") == []
        await slip_in(page, path)
        await page.context.close()


async def slip_in(page: Page, path: str) -> None:
    """What an attacker would add to the page: it neither runs nor calls home."""
    answer = await page.request.get(path)
    rules = dict(rule.strip().split(" ", 1) for rule in answer.headers["content-security-policy"].split(";"))
    assert (rules["default-src"], rules["script-src"], rules["style-src"]) == ("'self'",) * 3
    assert (rules["object-src"], rules["base-uri"], rules["frame-ancestors"]) == ("'none'",) * 3
    assert not any("unsafe" in rule for rule in rules.values())
    await page.evaluate(
        """(markup) => {
          document.body.insertAdjacentHTML('beforeend', markup)
          const script = document.createElement('script')
          script.textContent = 'window.__ran = 3'
          document.body.append(script)
          new Image().src = 'https://elsewhere.example/pixel'
        }""",
        MARKUP,
    )

    async def noted() -> bool:
        return await page.evaluate("window.__violations.length") >= 3

    await eventually(noted, PATIENCE_S, "three violations of the policy")
    assert await page.evaluate("window.__ran") is None
    stopped = await page.evaluate("window.__violations.join()")
    assert "img-src https://elsewhere.example/pixel" in stopped  # the browser names it, and never sends it


async def test_a_name_with_markup_is_shown_as_it_is_written(
    switchboard: Switchboard, chromium: Browser
) -> None:
    desk = await sign_in(chromium, switchboard, "v901", "/desk", before=WATCH)
    await expect(desk.get_by_text(MARKUP)).to_be_visible()
    board = await sign_in(chromium, switchboard, SUPERVISOR, "/board", before=WATCH)
    await expect(board.get_by_text(MARKUP).first).to_be_visible()
    await at(desk, "set-up-later").click()
    for page in (desk, board):
        assert await page.evaluate("window.__ran") is None
        assert await page.evaluate("window.__violations") == []
