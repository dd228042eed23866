"""A terminal's browser as it stands in a village: a touch screen, a profile on its disk, and a shell around it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Locator, Page, async_playwright, expect

from tests.support.browser import PATIENCE_S, at
from tests.support.chromium import CHROMIUM, FAKE_DEVICES, NO_QUESTIONS, QUIET, VOICE_HZ, write_voice
from tests.support.switchboard import ADMINISTRATOR, Switchboard, eventually
from tests.support.terminals import VILLAGE

KIOSK = (1080, 1920)
TABLET = (1280, 800)
TOKEN = "12348.terminal"

SHELL = """
    window.kiosk = {
      status: async () => ({ printer: localStorage.simulated_printer ?? 'ok' }),
      print: async () => {
        window.__printed = [...(window.__printed ?? []), document.querySelector('.sheet')?.innerText ?? '']
        return localStorage.simulated_printer ?? 'ok'
      },
    }
    const devices = navigator.mediaDevices
    const [ask, all] = [devices.getUserMedia.bind(devices), devices.enumerateDevices.bind(devices)]
    const none = () => Promise.reject(new DOMException('', 'NotFoundError'))
    devices.getUserMedia = (wanted) => (wanted.video && localStorage.simulated_camera ? none() : ask(wanted))
    devices.enumerateDevices = async () =>
      (await all()).filter((one) => one.kind !== 'videoinput' || !localStorage.simulated_camera)
    window.__touches = 0
    document.addEventListener('pointerdown', (event) => event.pointerType === 'touch' && (window.__touches += 1), true)
"""
"""``window.kiosk`` of docs/terminal.md with a printer that does what the test says, a camera that can be pulled out,
and a count of touches."""


@asynccontextmanager
async def kiosk(
    folder: Path,
    url: str,
    *,
    size: tuple[int, int] = KIOSK,
    hertz: int = VOICE_HZ,
    video: Path | None = None,
    flags: Sequence[str] = (FAKE_DEVICES, NO_QUESTIONS),
) -> AsyncIterator[Page]:
    """The page ``/terminal`` of the switchboard at ``url``. The profile lies in ``folder / "profile"`` and stays."""
    voice = folder / f"voice-{hertz}.wav"
    await asyncio.to_thread(write_voice, voice, hertz)
    wanted = [*QUIET, *flags, f"--use-file-for-fake-audio-capture={voice}"]
    wanted += [f"--use-file-for-fake-video-capture={video}"] if video else []
    wanted += ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            folder / "profile",
            executable_path=CHROMIUM,
            args=wanted,
            viewport={"width": size[0], "height": size[1]},
            has_touch=True,
            locale="zh-CN",
            base_url=url,
        )
        try:
            context.set_default_timeout(PATIENCE_S * 1000)
            await context.grant_permissions(["microphone", "camera"], origin=url)
            await context.add_init_script(SHELL)
            page = context.pages[0] if context.pages else await context.new_page()
            # The very first entry of the history is the page itself, as in a kiosk.
            await page.evaluate("url => location.replace(url)", f"{url}/terminal")
            await page.wait_for_url("**/terminal")
            yield page
        finally:
            with contextlib.suppress(Exception):  # a browser that was killed cannot be closed
                await context.close()


async def pair_by_hand(page: Page, switchboard: Switchboard, ident: str = "t-1") -> None:
    """An administrator makes a code, and somebody touches its digits."""
    async with switchboard.sign_in(ADMINISTRATOR) as http:
        body = {"id": ident, "name": "一号终端", "village": VILLAGE}
        async with http.post("/api/terminals", json=body) as answer:
            assert answer.status == 201, await answer.text()
        async with http.post(f"/api/terminals/{ident}/code") as answer:
            code = (await answer.json())["code"]
    await digits(page, code)
    await expect(at(page, "view-home")).to_be_visible()


async def token_is_on_disk(page: Page, folder: Path) -> None:
    """A browser writes a few seconds later what a page has kept."""
    token: str = await page.evaluate("name => localStorage.getItem(name)", TOKEN)

    async def written() -> bool:
        return bool(await asyncio.to_thread(on_disk, folder, [token]))

    await eventually(written, PATIENCE_S, "the token in the profile")


async def digits(page: Page, typed: str) -> None:
    for digit in typed:
        await at(page, f"key-{digit}").tap()
    await at(page, "key-done").tap()


async def tap(page: Page, *names: str) -> None:
    for name in names:
        await at(page, name).tap()


def view(page: Page, name: str) -> Locator:
    return at(page, f"view-{name}")


def power_cut(folder: Path) -> None:
    """Everything of this browser is gone at once."""
    profile = str(folder / "profile").encode()
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                if profile in (process / "cmdline").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)


async def wiped(page: Page) -> None:
    """Until the first page of a new document is there."""

    async def fresh() -> bool:
        return bool(
            await page.evaluate(
                "() => performance.now() < 60_000 && !!document.querySelector('[data-test=view-home]')"
            )
        )

    await expect(view(page, "home")).to_be_visible()
    await eventually(fresh, PATIENCE_S, "a new document")


async def left_behind(page: Page, secrets: Sequence[str]) -> dict[str, Any]:
    """What of a visitor is still in the page: its storages, caches, history, document, and the whole heap."""
    kept = await page.evaluate(
        """async () => ({
            local: Object.keys(localStorage),
            session: Object.keys(sessionStorage),
            databases: (await indexedDB.databases()).map((one) => one.name),
            caches: await caches.keys(),
            cookies: document.cookie,
            history: history.length,
            name: window.name,
            resources: performance.getEntriesByType('resource').map((one) => one.name).join(' '),
            html: document.documentElement.outerHTML,
        })"""
    )
    heap = await _heap(page)
    texts = {"html": kept.pop("html"), "resources": kept.pop("resources"), "heap": heap}
    kept["found"] = [
        f"{secret} in {where}" for secret in secrets for where, text in texts.items() if secret in text
    ]
    return kept


async def _heap(page: Page) -> str:
    session = await page.context.new_cdp_session(page)
    parts: list[str] = []
    session.on("HeapProfiler.addHeapSnapshotChunk", lambda event: parts.append(event["chunk"]))
    await session.send("HeapProfiler.enable")
    await session.send("HeapProfiler.collectGarbage")
    await session.send("HeapProfiler.takeHeapSnapshot", {"reportProgress": False})
    await session.detach()
    return json.dumps(json.loads("".join(parts))["strings"], ensure_ascii=False)


def on_disk(folder: Path, secrets: Sequence[str]) -> list[str]:
    """Which of them the browser has left in its profile, as letters of one byte or of two."""
    found: list[str] = []
    for file in (folder / "profile").rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            found += [
                f"{secret} in {file.name}"
                for secret in secrets
                if secret.encode() in content or secret.encode("utf-16-le") in content
            ]
    return found


FITS = """() => {
    const problems = []
    const { clientWidth: wide, clientHeight: high } = document.documentElement
    const frames = [document.documentElement, ...document.querySelectorAll('main, .notes, footer, header')]
    for (const { tagName, scrollWidth, clientWidth } of frames)
        if (scrollWidth > clientWidth + 1) problems.push(`${tagName} scrolls sideways: ${scrollWidth} > ${clientWidth}`)
    for (const button of document.querySelectorAll('button')) {
        const { left, top, right, bottom, width, height } = button.getBoundingClientRect()
        if (width === 0) continue
        const say = (what) => problems.push(`${button.dataset.test ?? button.innerText} ${what}`)
        if (left < 0 || top < 0 || right > wide + 0.5 || bottom > high + 0.5)
            say(`is outside: ${[left, top, right, bottom].map(Math.round)}`)
        if (width < 60 || height < 60) say(`is small: ${width} x ${height}`)
        if (button.scrollWidth > button.clientWidth + 1) say('is narrower than its words')
        const above = document.elementFromPoint((left + right) / 2, Math.min(high - 1, (top + bottom) / 2))
        if (above && !button.contains(above)) say(`is covered by ${above.tagName}.${above.className}`)
    }
    for (const text of document.querySelectorAll('h1, p, span, strong, button')) {
        if (!text.innerText?.trim() || text.closest('.sheet')) continue
        const style = getComputedStyle(text)
        const [size, line] = [parseFloat(style.fontSize), parseFloat(style.lineHeight)]
        if (size < 24) problems.push(`${text.innerText.slice(0, 20)}: ${size} px`)
        if (line / size < 1.299) problems.push(`${text.innerText.slice(0, 20)}: line ${line / size}`)
    }
    return problems
}"""
"""What does not fit: nothing scrolls sideways, every button whole on the screen, 60 x 60, text 18 pt and more."""
