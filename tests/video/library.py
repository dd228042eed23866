"""The test page's script, made of the pages' own library for rooms with the pages' own tools."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
from pathlib import Path

from switchboard.pages.build import PAGES, build, node_and_npm

HERE = Path(__file__).resolve().parent
ENTRY = HERE / "page.ts"


def script() -> Path:
    """The bundled script; made once for these very sources."""
    sources = [ENTRY, *sorted(PAGES.glob("room/*.ts")), *sorted(PAGES.glob("shared/*.ts"))]
    mark = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:20]
    folder = Path(tempfile.gettempdir()) / f"switchboard-room-library-{os.getuid()}-{mark}"
    if (folder / "page.js").exists():
        return folder / "page.js"
    build(progress=lambda _: None)  # installs what the bundler needs
    node, _, path = node_and_npm()
    with tempfile.TemporaryDirectory(dir=tempfile.gettempdir()) as made:
        config = {
            "root": str(PAGES),
            "logLevel": "warn",
            "publicDir": False,
            "resolve": {"alias": {"@": str(PAGES)}},
            "build": {
                "outDir": f"{made}/out",
                "target": "es2022",
                "minify": False,
                "lib": {"entry": str(ENTRY), "formats": ["iife"], "name": "page", "fileName": "page"},
            },
        }
        at = Path(made, "vite.config.mjs")
        at.write_text(f"export default {json.dumps(config)}\n", "utf-8")
        command = [*node, str(PAGES / "node_modules/vite/bin/vite.js"), "build", "--config", str(at)]
        env = os.environ | {"PATH": path + os.pathsep + os.environ.get("PATH", "")}
        subprocess.run(command, cwd=PAGES, env=env, check=True, capture_output=True, timeout=120)
        bundle = next(Path(made, "out").glob("*.js"))
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"page.{os.getpid()}.part"
        part.write_bytes(bundle.read_bytes())
        part.rename(folder / "page.js")
    return folder / "page.js"
