"""Asterisk's configuration as it is written."""

from __future__ import annotations

import dataclasses
import re
import stat
from pathlib import Path

import pytest

from ivr.errors import AsteriskFailed
from ivr.server.config import ServerOptions, ServerPorts, ServerSettings, modules_in_use, render, write
from ivr.server.trunk import Trunk


@pytest.fixture
def settings(tmp_path: Path) -> ServerSettings:
    return ServerSettings(
        run_dir=tmp_path / "run",
        modules_dir=Path("/modules"),
        data_dir=tmp_path / "data",
        ports=ServerPorts(25060, 28088, 30000, 30199),
        ari_user="switchboard",
        ari_password="secret",
        sounds_dir=tmp_path / "sounds",
        recordings_dir=tmp_path / "recordings",
    )


def with_options(settings: ServerSettings, **options: object) -> ServerSettings:
    return dataclasses.replace(settings, options=ServerOptions(**options))  # pyright: ignore[reportArgumentType]


def lines(text: str) -> list[str]:
    """Settings without comments."""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(";")]


def test_nothing_is_left_to_fill_in(settings: ServerSettings) -> None:
    for name, text in render(settings).items():
        assert "@{" not in text, name


def test_the_house_rules_of_security_are_in_the_files(settings: ServerSettings) -> None:
    files = {name: lines(text) for name, text in render(settings).items()}
    assert "live_dangerously = no" in files["asterisk.conf"]
    assert files["http.conf"].count("bindaddr = 127.0.0.1") == 1
    assert "enable_static = no" in files["http.conf"]
    assert "strictrtp = yes" in files["rtp.conf"]
    assert "enabled = no" in files["manager.conf"]
    assert "autoload = no" in files["modules.conf"]
    assert "endpoint_identifier_order = auth_username,username,ip" in files["pjsip.conf"]
    assert "taskprocessor_overload_trigger = pjsip_only" in files["pjsip.conf"]
    assert "allow_transfer = no" in files["pjsip.conf"]
    assert "identify_by = ip" in files["pjsip.conf"]
    assert not [line for line in files["pjsip.conf"] if "anonymous" in line]
    assert files["acl.conf"] == [
        "[trunk]",
        "deny = 0.0.0.0/0.0.0.0",
        "deny = ::/0",
        "permit = 127.0.0.1/32",
    ]


def test_every_stasis_has_words_behind_it(settings: ServerSettings) -> None:
    dialplan = lines(render(settings)["extensions.conf"])
    calls = [number for number, line in enumerate(dialplan) if "Stasis(" in line and ",fax)" not in line]
    assert len(calls) == 2
    for number in calls:
        assert "STASISSTATUS" in dialplan[number + 1]
        away = dialplan[number + 2].partition("Goto(")[2].partition(",")[0]
        assert "Playback(" in dialplan[dialplan.index(f"[{away}]") + 2]


def test_what_a_volunteers_phone_can_dial_is_nothing(settings: ServerSettings) -> None:
    dialplan = lines(render(settings)["extensions.conf"])
    here = dialplan.index("[agents-out]")
    assert dialplan[here + 1].startswith("[")


def test_a_trunk_elsewhere_may_call_and_be_called(settings: ServerSettings) -> None:
    trunk = Trunk(match=("10.1.2.3/32", "10.1.2.4/32"), host="10.1.2.3")
    files = render(with_options(settings, trunks=(trunk,), bind="0.0.0.0", external_address="203.0.113.5"))  # noqa: S104
    assert "match = 10.1.2.3/32\nmatch = 10.1.2.4/32" in files["pjsip.conf"]
    assert "permit = 10.1.2.3/32\npermit = 10.1.2.4/32" in files["acl.conf"]
    assert "127.0.0.1/32" not in files["acl.conf"]
    assert "contact = sip:10.1.2.3:5060" in files["pjsip.conf"]
    assert "external_media_address = 203.0.113.5" in files["pjsip.conf"]


@pytest.mark.parametrize("value", ["a\nb", "a;b", "a,b", "a]b", "", "a\0"])
def test_a_value_that_would_break_out_of_its_line_is_refused(settings: ServerSettings, value: str) -> None:
    with pytest.raises(AsteriskFailed):
        render(dataclasses.replace(settings, ari_password=value))
    with pytest.raises(AsteriskFailed):
        render(with_options(settings, trunks=(Trunk(match=(value,)),)))
    with pytest.raises(AsteriskFailed):
        render(with_options(settings, trunks=(Trunk(host=value),)))


def section(text: str, name: str, kind: str) -> list[str]:
    """The lines of `[name]` with `type = kind`."""
    parts = re.split(r"^\[", text, flags=re.MULTILINE)
    (found,) = (part for part in parts if part.startswith(f"{name}]\ntype = {kind}\n"))
    return lines(found)[1:]


NORTH = Trunk(
    match=("198.51.100.0/24",),
    name="north",
    host="sip.operator.example",
    port=5070,
    transport="tcp",
    proxy="edge.operator.example:5071",
    user="acct12348",
    password="pass;word=>#,1",
    register=True,
    number="12348",
    codecs=("g722", "opus", "alaw"),
    dtmf="inband",
    trust_caller_id=False,
)


def test_a_trunk_that_registers_is_written_whole(settings: ServerSettings) -> None:
    pjsip = render(with_options(settings, trunks=(Trunk(), NORTH)))["pjsip.conf"]
    endpoint = section(pjsip, "trunk-north", "endpoint")
    for line in (
        "allow = g722,opus,alaw",
        "dtmf_mode = inband",
        "trust_id_inbound = no",
        "acl = trunk-north",
        "aors = trunk-north",
        "outbound_auth = trunk-north",
        "from_user = acct12348",
        r"outbound_proxy = sip:edge.operator.example:5071\;transport=tcp\;lr",
    ):
        assert line in endpoint
    registration = section(pjsip, "trunk-north", "registration")
    assert r"server_uri = sip:sip.operator.example:5070\;transport=tcp" in registration
    assert r"client_uri = sip:acct12348@sip.operator.example:5070\;transport=tcp" in registration
    assert "contact_user = 12348" in registration
    assert r"password = pass\;word=>#,1" in section(pjsip, "trunk-north", "auth")
    assert "match = 198.51.100.0/24" in section(pjsip, "trunk-north", "identify")


def test_each_trunk_has_an_acl_of_its_own(settings: ServerSettings) -> None:
    acl = lines(render(with_options(settings, trunks=(Trunk(), NORTH)))["acl.conf"])
    north = acl.index("[trunk-north]")
    assert acl[:north] == ["[trunk]", "deny = 0.0.0.0/0.0.0.0", "deny = ::/0", "permit = 127.0.0.1/32"]
    assert acl[north + 1 :] == ["deny = 0.0.0.0/0.0.0.0", "deny = ::/0", "permit = 198.51.100.0/24"]


def test_a_trunk_that_only_calls_us_can_be_called_by_nobody(settings: ServerSettings) -> None:
    pjsip = render(settings)["pjsip.conf"]
    assert "type = registration" not in pjsip
    assert not [line for line in section(pjsip, "trunk", "endpoint") if line.startswith("aors")]


@pytest.mark.parametrize(
    "wrong", [{"password": "a\nb"}, {"password": "a b"}, {"number": None}, {"name": "a]"}]
)
def test_a_trunk_that_cannot_be_written_is_refused_without_its_secret(
    settings: ServerSettings, wrong: dict[str, str | None]
) -> None:
    trunk = dataclasses.replace(NORTH, **wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(AsteriskFailed) as refused:
        render(with_options(settings, trunks=(trunk,)))
    assert "word" not in str(refused.value).replace("password", "")
    assert "word" not in repr(NORTH).replace("password", "")


def test_two_trunks_of_one_name_are_refused(settings: ServerSettings) -> None:
    with pytest.raises(AsteriskFailed, match="same name"):
        render(with_options(settings, trunks=(Trunk(), Trunk())))


def test_extra_modules_files_and_dialplan_are_taken_up(settings: ServerSettings) -> None:
    files = render(
        with_options(
            settings,
            extra_modules=("app_queue.so",),
            extra_files={"queues.conf": "[q]\n"},
            extra_dialplan="[bench]\nexten => 1,1,Queue(q)",
        )
    )
    assert "load = app_queue.so" in files["modules.conf"]
    assert files["queues.conf"] == "[q]\n"
    assert "Queue(q)" in files["extensions.conf"]


def test_no_module_is_named_twice() -> None:
    modules = modules_in_use(("app_queue.so",))
    assert len(modules) == len(set(modules))
    assert all(re.fullmatch(r"[a-z0-9_]+\.so", name) for name in modules)


def test_only_the_owner_can_read_what_is_written(settings: ServerSettings) -> None:
    write(settings)
    stale = settings.run_dir / "etc" / "stale.conf"
    stale.touch()
    write(settings)
    assert not stale.exists()
    assert stat.S_IMODE(settings.run_dir.stat().st_mode) == 0o700
    for file in (settings.run_dir / "etc").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (settings.run_dir / "spool" / "recording").resolve() == settings.recordings_dir
    assert (settings.recordings_dir / "away").is_dir()


def test_a_path_too_long_for_a_socket_is_refused_in_words(settings: ServerSettings) -> None:
    with pytest.raises(AsteriskFailed, match="too long"):
        write(dataclasses.replace(settings, run_dir=settings.run_dir / ("x" * 100)))


def test_free_ports_do_not_overlap() -> None:
    for _ in range(300):  # the system hands out neighbours now and then
        ports = ServerPorts.free()
        assert len({ports.sip, ports.http}) == 2
        assert min(ports.sip, ports.http, ports.rtp_first) > 20000
        assert ports.rtp_last - ports.rtp_first == 399
        assert not {ports.sip, ports.http} & set(range(ports.rtp_first, ports.rtp_last + 1))
