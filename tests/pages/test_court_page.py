"""The page for courts: one file from the disk that says of a container what ``switchboard verify`` says."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
from dataclasses import replace
from pathlib import Path

from cryptography import x509
from playwright.async_api import Page, Request

from switchboard.evidence import LocalProvider, Provider, open_provider
from switchboard.evidence.authority import Identity, LocalAuthority
from switchboard.evidence.digests import digests_of_bytes
from switchboard.evidence.page import court_page
from tests.support.chromium import chromium
from tests.support.evidence import TITLE, sealed_act, tampered


async def _checked(page: Page, file: Path) -> tuple[bool, str]:
    """(whether it says that all holds, everything it says)."""
    await page.set_input_files("#file", [])
    await page.evaluate("document.getElementById('result').hidden = true")
    await page.set_input_files("#file", str(file))
    await page.locator("#result").wait_for(state="visible")
    verdict = await page.locator("#verdict").get_attribute("class")
    return verdict == "good", await page.locator("#result").inner_text()


async def test_a_court_checks_a_container_without_any_server(tmp_path: Path) -> None:
    provider = open_provider(tmp_path / "house")
    act = await asyncio.to_thread(sealed_act, tmp_path, provider)
    html = tmp_path / "verify.html"
    html.write_text(court_page(), encoding="utf-8")
    asked: list[str] = []
    errors: list[str] = []
    async with chromium(tmp_path, flags=()) as browser:
        page = await browser.new_page()

        def note(request: Request) -> None:
            asked.append(request.url)

        page.on("request", note)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text))
        await page.goto(html.as_uri())
        good, said = await _checked(page, act)
        assert (good, TITLE in said) == (True, True)
        assert hashlib.sha256(provider.roots[0]).hexdigest() in said
        assert await page.locator("b").count() == 0  # the title's markup is text
        copy = tmp_path / "copy.zip"
        whole = act.read_bytes()
        chance = random.Random(3)
        cases = list(tampered(whole))
        for _ in range(25):
            at = chance.randrange(len(whole))
            flipped = bytes([whole[at] ^ (1 << chance.randrange(8))])
            cases.append((f"the byte at {at}", whole[:at] + flipped + whole[at + 1 :]))
        for what, changed in cases:
            copy.write_bytes(changed)
            assert not (await _checked(page, copy))[0], what
        copy.write_bytes(await asyncio.to_thread(_with_a_borrowed_root, tmp_path, provider))
        good, said = await _checked(page, copy)
        assert (good, hashlib.sha256(provider.roots[0]).hexdigest() in said) == (False, False)
        await _same_digests(page)
    assert (asked, errors) == ([html.as_uri()], [])


def _with_a_borrowed_root(folder: Path, house: Provider) -> bytes:
    """A container that a stranger sealed with keys of their own, and put the house's certificate beside."""
    stranger = open_provider(folder / "stranger")
    authority = LocalAuthority.open(folder / "stranger")
    lent = Identity(x509.load_der_x509_certificate(house.roots[0]), authority.root.key)
    assert isinstance(stranger, LocalProvider)
    liar = replace(stranger, authority=replace(authority, root=lent))
    return sealed_act(folder / "stranger", liar, "forged").read_bytes()


async def _same_digests(page: Page) -> None:
    """Our JavaScript against OpenSSL, at every length around a block; SHA-256 twice, for files that are too large for
    the browser's own."""
    content = os.urandom(300)
    script = await page.locator("script").inner_text()
    inner = script[script.index("{") + 1 : script.rindex("})();")]
    wanted = [
        [digests_of_bytes(content[:n]).sha256, digests_of_bytes(content[:n]).sm3] for n in range(0, 300, 7)
    ]
    body = inner[: inner.index("// Reads and checks a container")]
    cdp = await page.context.new_cdp_session(page)  # the page's own policy forbids to evaluate text
    expression = f"""(() => {{ {body}
        const bytes = Uint8Array.from({list(content)});
        const out = [];
        for (let n = 0; n < 300; n += 7) {{
          const pair = [new Blocks(H256, sha256Block), new Blocks(HSM3, sm3Block)];
          pair.forEach((one) => {{ one.update(bytes.subarray(0, n >> 1)); one.update(bytes.subarray(n >> 1, n)); }});
          out.push(pair.map((one) => one.hex()));
        }}
        return JSON.stringify(out); }})()"""
    told = await cdp.send("Runtime.evaluate", {"expression": expression, "returnByValue": True})
    assert told["result"].get("value") == str(wanted).replace("'", '"').replace(", ", ",")
