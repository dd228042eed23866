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


TRUNK = """
[[trunks]]
name = "city"
addresses = ["198.51.100.0/24"]
host = "sip.operator.example"
user = "12348"
password = "swordfish"
registration = true
codecs = ["g722", "alaw"]
short_numbers = ["12345"]
"""


def test_a_trunk_that_registers_is_read_whole_and_keeps_its_secret(tmp_path: Path) -> None:
    (tmp_path / "switchboard.toml").write_text(TRUNK)
    config = load_config()
    (line,) = config.lines
    trunk, rules = line.for_asterisk(), line.rules()
    assert (trunk.endpoint, trunk.number, trunk.password) == ("trunk-city", "12348", "swordfish")
    assert trunk.codecs == ("g722", "alaw")
    assert rules is not None
    assert rules.short_numbers == {"12345"}
    assert "swordfish" not in f"{config} {config!r} {config.model_dump(mode='json')} {trunk!r}"


def test_without_trunks_the_addresses_alone_are_one_that_only_calls_us() -> None:
    (line,) = load_config(trunk_addresses=("10.1.2.0/24",)).lines
    assert line.for_asterisk().match == ("10.1.2.0/24",)
    assert line.rules() is None


def test_a_trunk_known_by_its_address_needs_no_networks() -> None:
    (line,) = load_config(trunks=[{"host": "203.0.113.7"}]).lines
    assert line.for_asterisk().match == ("203.0.113.7/32",)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"addresses": ["10.1.2.3/99"]}, "addresses"),
        ({"host": "a host"}, "host"),
        ({"host": "sip.operator.example"}, "addresses"),
        ({"host": "10.0.0.1", "registration": True, "user": "me"}, "registration needs"),
        ({"host": "10.0.0.1", "registration": True, "user": "me", "password": "x"}, "number"),
        ({"host": "10.0.0.1", "password": "x y", "user": "me"}, "password"),
        ({"host": "10.0.0.1", "codecs": ["gsm"]}, "codecs"),
        ({"host": "10.0.0.1", "codecs": ["alaw", "alaw"]}, "codecs"),
        ({"host": "10.0.0.1", "short_numbers": ["13800138000"]}, "short_numbers"),
        ({"host": "10.0.0.1", "colour": "red"}, "colour"),
    ],
)
def test_a_trunk_that_cannot_be_is_refused_in_words(wrong: dict[str, object], field: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load_config(trunks=[wrong])
    assert field in " ".join(raised.value.problems)
    assert "x y" not in str(raised.value)


def test_trunks_of_one_name_and_addresses_said_twice_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="same name"):
        load_config(trunks=[{"host": "10.0.0.1"}, {"host": "10.0.0.2"}])
    with pytest.raises(ConfigurationError, match="trunk_addresses"):
        load_config(trunks=[{"host": "10.0.0.1"}], trunk_addresses=("10.0.0.0/24",))
    with pytest.raises(ConfigurationError, match="trunk_addresses"):
        load_config(trunk_addresses=("10.0.0.0/99",))
