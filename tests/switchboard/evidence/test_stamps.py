"""What a time stamping authority sends is believed only if it stamps what was asked, under a root that is trusted."""

from __future__ import annotations

import hashlib
import http.server
import socketserver
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from asn1crypto import cms, tsp
from cryptography.hazmat.primitives import serialization

from switchboard.evidence import LocalProvider, Provider, TsaSettings
from switchboard.evidence.authority import LocalAuthority
from switchboard.evidence.errors import (
    AuthorityUnusable,
    StampInvalid,
    StampRefused,
    StampUnavailable,
)
from switchboard.evidence.stamps import answer_locally, check, rebuilt
from switchboard.evidence.tsa import ask

DIGEST = hashlib.sha256(b"a manifest").digest()
Answer = Callable[[bytes], tuple[int, str, bytes]]
REPLY = "application/timestamp-reply"


@contextmanager
def authority_at(answer: Answer) -> Iterator[str]:
    """The address of a server that answers each request in this way."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["Content-Type"] == "application/timestamp-query"
            status, kind, body = answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                return  # it hung up: too much was sent

        def log_message(self, format: str, *args: object) -> None:
            return

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/tsa"
        finally:
            server.shutdown()


def granted(token: bytes) -> bytes:
    given = {"status": {"status": "granted"}, "time_stamp_token": cms.ContentInfo.load(token)}
    return tsp.TimeStampResp(given).dump()


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> LocalAuthority:
    """An authority elsewhere."""
    return LocalAuthority.open(tmp_path_factory.mktemp("other"))


def asked(query: bytes) -> tuple[bytes, int]:
    request = tsp.TimeStampReq.load(query)
    return request["message_imprint"]["hashed_message"].native, request["nonce"].native


def test_an_authority_by_its_address_is_asked_and_its_stamp_checked(
    other: LocalAuthority, tmp_path: Path
) -> None:
    def answer(query: bytes) -> tuple[int, str, bytes]:
        return 200, REPLY, granted(answer_locally(other, *asked(query)))

    (tmp_path / "roots.pem").write_bytes(other.root.certificate.public_bytes(serialization.Encoding.PEM))
    with authority_at(answer) as url:
        settings = TsaSettings.read(url, tmp_path / "roots.pem")
        provider = LocalProvider.open(tmp_path, settings)
        stamp = check(provider.time_stamp(DIGEST), DIGEST, provider.roots)
    assert (stamp.trusted, stamp.authority) == (True, hashlib.sha256(other.root.der).hexdigest())


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("another digest", StampInvalid),
        ("another nonce", StampInvalid),
        ("no nonce", StampInvalid),
        ("an old answer", StampInvalid),
        ("somebody else", StampInvalid),
        ("a changed signature", StampInvalid),
        ("a certificate for signing", StampInvalid),
        ("a refusal", StampRefused),
        ("garbage", StampInvalid),
        ("far too much", StampInvalid),
        ("an error page", StampUnavailable),
        ("a redirection", StampUnavailable),
    ],
)
def test_whatever_else_is_sent_is_no_stamp(
    what: str, error: type[Exception], other: LocalAuthority, tmp_path: Path
) -> None:
    stranger = LocalAuthority.open(tmp_path)

    def answer(query: bytes) -> tuple[int, str, bytes]:
        digest, nonce = asked(query)
        good = answer_locally(other, digest, nonce)
        at = good.index(digest) - 5
        bodies = {
            "another digest": lambda: granted(answer_locally(other, bytes(32), nonce)),
            "another nonce": lambda: granted(answer_locally(other, digest, nonce ^ 2)),
            "no nonce": lambda: granted(answer_locally(other, digest)),
            "an old answer": lambda: granted(answer_locally(other, DIGEST, 1)),
            "somebody else": lambda: granted(answer_locally(stranger, digest, nonce)),
            "a changed signature": lambda: granted(good[:-1] + bytes([good[-1] ^ 1])),
            "a certificate for signing": lambda: granted(
                answer_locally(LocalAuthority(other.root, other.house, other.house), digest, nonce)
            ),
            "a refusal": lambda: bytes.fromhex("30053003020102"),
            "garbage": lambda: good[:at],
            "far too much": lambda: bytes(200_000),
        }
        if what in ("an error page", "a redirection"):
            return 500 if what == "an error page" else 302, "text/html", b"<h1>no</h1>"
        return 200, REPLY, bodies[what]()

    with authority_at(answer) as url, pytest.raises(error):
        ask(TsaSettings(url, (other.root.der,), timeout_s=20), DIGEST)


def test_an_authority_that_is_silent_or_away_is_said_to_be_away(other: LocalAuthority) -> None:
    go_on = threading.Event()

    def silent(_query: bytes) -> tuple[int, str, bytes]:
        go_on.wait(30)
        return 200, REPLY, b""

    with authority_at(silent) as url:
        with pytest.raises(StampUnavailable):
            ask(TsaSettings(url, (other.root.der,), timeout_s=0.2), DIGEST)
        go_on.set()
    with pytest.raises(StampUnavailable):
        ask(TsaSettings("http://127.0.0.1:1/", (other.root.der,), timeout_s=5), DIGEST)
    with pytest.raises(StampUnavailable):
        ask(TsaSettings("file:///etc/passwd", (other.root.der,)), DIGEST)


def test_openssl_agrees_with_our_stamps(provider: Provider, tmp_path: Path) -> None:
    """Another program's word, where it is there."""
    token = provider.time_stamp(DIGEST)
    assert rebuilt(token) == token
    (tmp_path / "stamp").write_bytes(token)
    root = serialization.Encoding.PEM
    from cryptography import x509

    (tmp_path / "root.pem").write_bytes(x509.load_der_x509_certificate(provider.roots[0]).public_bytes(root))
    command = [
        "openssl",
        "ts",
        "-verify",
        "-digest",
        DIGEST.hex(),
        "-in",
        "stamp",
        "-token_in",
        "-CAfile",
        "root.pem",
    ]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Verification: OK" in said.stdout, said.stderr


def test_keys_are_made_once_for_their_owner_only_and_a_damaged_one_is_said_so(tmp_path: Path) -> None:
    first = LocalAuthority.open(tmp_path)
    assert LocalAuthority.open(tmp_path).root.der == first.root.der
    keys = list((tmp_path / "evidence").glob("*.key"))
    assert len(keys) == 3
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
    keys[0].write_text("no key")
    with pytest.raises(AuthorityUnusable):
        LocalAuthority.open(tmp_path)
