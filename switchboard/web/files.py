"""The built pages and their files."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from switchboard.errors import NotFound
from switchboard.web.routes import ANYBODY, Call, Handler, Routes
from switchboard.web.security import message_page

routes = Routes()

PAGES = {
    "/": "home",
    "/sign-in": "sign-in",
    "/desk": "desk",
    "/board": "board",
    "/admin": "admin",
    "/room": "room",
    "/terminal": "terminal",
}
PAGES_WITH_TOKEN = {"/v/{token}": "video"}
"""The page of whoever was sent a link; the token is read by its script."""


def _page(name: str) -> Handler:
    async def page(call: Call) -> web.StreamResponse:
        file = _inside(call.house.web.static_dir, f"{name}/index.html")
        if file is None:
            return message_page(
                503,
                "网页尚未构建：请运行 make pages，然后刷新。",
                "The pages have not been built: run <code>make pages</code> and reload.",
            )
        return web.FileResponse(file, headers={"Cache-Control": "no-cache"})

    return page


for _path, _name in PAGES_WITH_TOKEN.items():
    routes.add(
        "GET",
        _path,
        roles=ANYBODY,
        summary=f"The page {_name}",
        kind="page",
        parts={"token": r"[A-Za-z0-9_-]{1,64}"},
    )(_page(_name))

for _path, _name in PAGES.items():
    routes.add("GET", _path, roles=ANYBODY, summary=f"The page {_name}", kind="page")(_page(_name))


@routes.add(
    "GET",
    "/static/{path}",
    roles=ANYBODY,
    summary="Scripts, styles, fonts and sounds of the pages",
    kind="page",
    parts={"path": r"[A-Za-z0-9_./-]{1,200}"},
)
async def static(call: Call) -> web.StreamResponse:
    path = call.part("path")
    file = _inside(call.house.web.static_dir, path)
    if file is None:
        raise NotFound
    # A built asset has its content's hash in its name and never changes.
    cache = "public, max-age=31536000, immutable" if path.startswith("assets/") else "no-cache"
    return web.FileResponse(file, headers={"Cache-Control": cache})


def _inside(root: Path, path: str) -> Path | None:
    """The file, None where there is none or it would lie outside; names with a leading dot are not for anybody."""
    if any(part.startswith(".") for part in path.split("/")):
        return None
    file = (root / path).resolve()
    return file if file.is_relative_to(root.resolve()) and file.is_file() else None
