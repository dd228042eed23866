"""The page with which a court checks a container without the server: one file, ours alone, that loads nothing.

``verify.html`` with style and scripts put in. Its Content-Security-Policy names the digests of exactly these and
forbids everything else, connections included; so it opens from a disk, and what it is given stays on the machine.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

_HERE = Path(__file__).parent
SCRIPTS = ("digests.js", "container.js", "page.js")


def court_page() -> str:
    """The whole page, UTF-8. The same sources give the same bytes."""
    style = (_HERE / "style.css").read_text(encoding="utf-8")
    script = "\n".join((_HERE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    script = f'"use strict";\n(() => {{\n{script}\n}})();\n'
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    page = (_HERE / "verify.html").read_text(encoding="utf-8")
    for mark, content in (("POLICY", policy), ("STYLE", style), ("SCRIPT", script)):
        page = page.replace(f"@{mark}@", content)
    return page


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
