"""Finding and fetching Asterisk, without the network."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from ivr.errors import AsteriskMissing, FetchFailed
from ivr.server import apt, fetch


@pytest.mark.parametrize(
    ("version", "fit"),
    [
        ("22.10.1~dfsg+~cs6", True),
        ("22.4.0", True),
        ("22.3.0", False),
        ("21.9.1", True),
        ("20.14.0", True),
        ("20.6.0", False),
        ("18.26.0", False),
        ("23.0.0", True),
        ("GIT-master-abc", False),
        ("", False),
    ],
)
def test_only_a_version_with_rest_over_its_socket_is_taken(version: str, fit: bool) -> None:
    assert fetch.is_new_enough(version) is fit


def bare_machine(monkeypatch: pytest.MonkeyPatch, folder: Path, *tools: str) -> None:
    """A PATH that holds these tools, doing nothing, and no other."""
    for tool in tools:
        (folder / tool).write_text("#!/bin/sh\nexit 100\n")
        (folder / tool).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(fetch, "find_installed", lambda: None)


def test_without_apt_it_is_said_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    bare_machine(monkeypatch, tmp_path / "bin")
    with pytest.raises(AsteriskMissing, match=r"apt-get.*Install Asterisk 22"):
        fetch.find_or_fetch_blocking(tmp_path / "cache")


def test_without_debians_keyring_nothing_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    bare_machine(monkeypatch, tmp_path / "bin", "apt-get", "dpkg-deb")
    monkeypatch.setattr(fetch, "KEYRINGS", (tmp_path / "none.gpg",))
    with pytest.raises(AsteriskMissing, match="keyring"):
        fetch.find_or_fetch_blocking(tmp_path / "cache")


def test_when_apt_fails_every_suite_is_named_and_no_stamp_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    bare_machine(monkeypatch, tmp_path / "bin", "apt-get", "dpkg-deb", "apt-config")
    keyring = tmp_path / "debian.gpg"
    keyring.touch()
    monkeypatch.setattr(fetch, "KEYRINGS", (keyring,))
    with pytest.raises(FetchFailed, match=r"forky: .*sid: "):
        fetch.find_or_fetch_blocking(tmp_path / "cache")
    assert sorted(os.listdir(tmp_path / "cache" / "asterisk")) == ["lock"]


def fake_tree(cache: Path) -> Path:
    tree = cache / "asterisk" / "tree"
    libraries = tree / "usr/lib/x86_64-linux-gnu"
    (libraries / "asterisk/modules").mkdir(parents=True)
    (libraries / "ld-linux-x86-64.so.2").touch()
    (tree / "usr/sbin").mkdir(parents=True)
    (tree / "usr/sbin/asterisk").touch()
    (tree / "VERSION").write_text("22.10.1\n")
    return tree


def write_stamp(cache: Path, **changes: object) -> None:
    stamp = {"format": fetch.STAMP_FORMAT, "architecture": os.uname().machine, "packages": {"a.deb": "00"}}
    (cache / "asterisk" / "stamp.json").write_text(json.dumps(stamp | changes))


async def test_a_filled_cache_is_used_without_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    bare_machine(monkeypatch, tmp_path / "bin")
    tree = fake_tree(tmp_path)
    write_stamp(tmp_path)
    home = await fetch.find_or_fetch(tmp_path)
    assert home.root == tree
    assert home.version == "22.10.1"
    assert home.command[0].endswith("ld-linux-x86-64.so.2")
    assert home.command[-1] == str(tree / "usr/sbin/asterisk")
    assert home.rest_api == tree / "usr/share/asterisk/rest-api"


@pytest.mark.parametrize("change", [{"format": -1}, {"architecture": "vax"}])
def test_a_cache_of_another_kind_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, object]
) -> None:
    (tmp_path / "bin").mkdir()
    bare_machine(monkeypatch, tmp_path / "bin")
    fake_tree(tmp_path)
    write_stamp(tmp_path, **change)
    with pytest.raises(AsteriskMissing):
        fetch.find_or_fetch_blocking(tmp_path)


def test_a_damaged_package_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    bare_machine(monkeypatch, tmp_path / "bin")
    packages = tmp_path / "asterisk" / "packages"
    packages.mkdir(parents=True)
    (packages / "a.deb").write_bytes(b"changed since")
    write_stamp(tmp_path)
    # It would be fetched anew; here it cannot be.
    with pytest.raises(AsteriskMissing):
        fetch.find_or_fetch_blocking(tmp_path)


def test_the_command_says_what_is_wrong_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bin").mkdir()
    bare_machine(monkeypatch, tmp_path / "bin")
    assert fetch.main(["--cache", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("asterisk.missing: ")
    fake_tree(tmp_path)
    write_stamp(tmp_path)
    out = io.StringIO()
    assert fetch.main(["--cache", str(tmp_path)], out) == 0
    assert "22.10.1" in out.getvalue()


def test_the_machines_proxy_is_kept_and_its_hooks_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {
        "apt-config": 'Acquire::http::Proxy "http://proxy:3128";\nDPkg::Post-Invoke "rm";\n',
        "apt-get": "http://mirror/debian-security/\nhttp://mirror.example/debian/\n",
    }
    monkeypatch.setattr(apt, "run", lambda command, **_: said[command[0]])
    apt.Apt(tmp_path, "forky", Path("/keys.gpg"))
    config = (tmp_path / "apt.conf").read_text()
    assert 'Acquire::http::Proxy "http://proxy:3128";' in config
    assert "Post-Invoke" not in config
    source = (tmp_path / "sources.list").read_text()
    assert source == "deb [signed-by=/keys.gpg] http://mirror.example/debian forky main\n"
