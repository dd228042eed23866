"""One typed configuration: every mistake at once, in words, and no secret shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from switchboard.config import Config, load_config
from switchboard.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Config.model_fields:
        monkeypatch.delenv(f"SWITCHBOARD_{name.upper()}", raising=False)


def test_without_anything_set_the_defaults_hold() -> None:
    config = load_config()
    assert config.sql_url.startswith("sqlite+aiosqlite:///")
    assert config.data_dir.is_absolute()
    assert config.demo == "none"


def test_the_environment_goes_before_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "switchboard.toml").write_text("sip_port = 5070\nhttp_port = 8090\n")
    monkeypatch.setenv("SWITCHBOARD_SIP_PORT", "5080")
    config = load_config()
    assert (config.sip_port, config.http_port) == (5080, 8090)


def test_every_mistake_is_named_at_once_with_what_to_write(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "switchboard.toml").write_text('sip_prot = 5070\nleg_ms = 10\ndemo = "often"\n')
    monkeypatch.setenv("SWITCHBOARD_RTP_FIRST", "abc")
    with pytest.raises(ConfigurationError) as raised:
        load_config()
    problems = raised.value.problems
    assert len(problems) == 4
    for field in ("sip_prot", "leg_ms", "demo", "rtp_first"):
        assert sum(problem.startswith(f"{field}:") for problem in problems) == 1
    assert any("live (simulated calls too)" in problem for problem in problems)


def test_settings_that_do_not_fit_together_are_named() -> None:
    with pytest.raises(ConfigurationError) as raised:
        load_config(rtp_first=20000, rtp_last=10000, asterisk="external", http_port=0, https_port=0)
    assert len(raised.value.problems) == 1
    for word in ("rtp_last", "ari_url", "http_port"):
        assert word in raised.value.problems[0]


def test_a_broken_file_is_said_to_be_no_toml(tmp_path: Path) -> None:
    (tmp_path / "switchboard.toml").write_text("sip_port = = 3")
    with pytest.raises(ConfigurationError, match="not TOML"):
        load_config()


def test_secrets_are_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCHBOARD_ARI_PASSWORD", "swordfish")
    monkeypatch.setenv("SWITCHBOARD_DATABASE_URL", "postgresql+psycopg://me:swordfish@db/x")
    config = load_config()
    shown = f"{config} {config!r} {config.model_dump(mode='json')}"
    assert "swordfish" not in shown
    assert config.sql_url.endswith("@db/x")
