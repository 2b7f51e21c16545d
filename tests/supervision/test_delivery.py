from __future__ import annotations

import base64
import json
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from pipeline.settings import Settings
from pipeline.supervision.delivery import Delivery, deliver, list_channels
from tests.supervision.conftest import MailServer

HOOK = "/hooks/s3cr3t"


def send(settings: Settings, limit_s: float = 5.0, silence_s: float = 2.0) -> Delivery:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.supervision.delivery.LIMIT_S", limit_s)
        patch.setattr("pipeline.supervision.delivery.SILENCE_S", silence_s)
        return deliver("Mekong WAKE: ນໍ້າ", "To do: look.", {"notices": []}, settings=settings)


def with_hook(settings: Settings, address: str) -> Settings:
    return settings.model_copy(update={"notice_webhook": SecretStr(address)})


def with_mail(settings: Settings, port: int, **more: object) -> Settings:
    mail = {"notice_mail_to": ("a@example.org", "b@example.org"),
            "notice_mail_server": f"127.0.0.1:{port}"}  # fmt: skip
    return settings.model_copy(update={**mail, **more})


def test_without_channels_nothing_is_sent(settings: Settings) -> None:
    assert (send(settings), list_channels(settings)) == (Delivery(), [])


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_a_webhook_gets_json(settings: Settings, httpserver: HTTPServer, status: int) -> None:
    httpserver.expect_request(HOOK, method="POST").respond_with_response(Response(status=status))
    assert send(with_hook(settings, httpserver.url_for(HOOK))) == Delivery(("webhook",))
    [(request, _)] = httpserver.log
    assert request.headers["Content-Type"] == "application/json"
    assert json.loads(request.data) == {
        "text": "Mekong WAKE: ນໍ້າ\nTo do: look.", "notices": [],
    }  # fmt: skip


def test_a_server_in_trouble_is_asked_again(settings: Settings, httpserver: HTTPServer) -> None:
    answers = [Response(status=503, headers={"Retry-After": "0"}), Response(status=200)]
    httpserver.expect_request(HOOK).respond_with_handler(lambda _: answers.pop(0))
    assert send(with_hook(settings, httpserver.url_for(HOOK))).taken == ("webhook",)
    assert answers == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Response(status=403), "403"),
        (Response(status=404), "is not there"),
        (Response(status=302, headers={"Location": "/elsewhere"}), "found a redirect"),
        (Response(status=503, headers={"Retry-After": "999"}), "503"),
    ],
)
def test_a_refusal_is_told_without_the_address(
    settings: Settings, httpserver: HTTPServer, answer: Response, words: str
) -> None:
    httpserver.expect_request(HOOK).respond_with_response(answer)
    delivery = send(with_hook(settings, httpserver.url_for(HOOK)))
    [failure] = delivery.failures
    assert words in failure
    assert "s3cr3t" not in failure
    assert len(httpserver.log) == 1, "a redirect is not followed"


def test_a_webhook_that_nobody_serves(settings: Settings) -> None:
    began = time.monotonic()
    [failure] = send(with_hook(settings, f"http://127.0.0.1:9{HOOK}")).failures
    assert failure.startswith("webhook: ConnectionError: ")
    assert "s3cr3t" not in failure
    assert time.monotonic() - began < 5


def test_a_slow_webhook_ends_by_its_limit(settings: Settings, httpserver: HTTPServer) -> None:
    def drip(_: Request) -> Response:
        def body() -> object:
            while True:
                yield b" "
                time.sleep(0.05)

        time.sleep(1.5)
        return Response(body())  # type: ignore[arg-type]

    httpserver.expect_request(HOOK).respond_with_handler(drip)
    began = time.monotonic()
    delivery = send(with_hook(settings, httpserver.url_for(HOOK)), limit_s=0.6)
    assert time.monotonic() - began < 1.4
    assert delivery.failures


def test_a_mail_reaches_everybody(settings: Settings) -> None:
    with MailServer().serving() as server:
        assert send(with_mail(settings, server.port)) == Delivery(("mail",))
    [mail] = server.mails
    assert "To: a@example.org, b@example.org" in mail
    assert "To do: look." in mail
    assert "From: mekong-early-warning@example.org" in mail


def test_a_login_goes_to_this_machine(settings: Settings) -> None:
    login = {"notice_mail_user": "me", "notice_mail_password": SecretStr("pass")}
    with MailServer(offers=("AUTH PLAIN",)).serving() as server:
        assert send(with_mail(settings, server.port, **login)).taken == ("mail",)
    assert [base64.b64decode(one) for one in server.logins] == [b"\0me\0pass"]


def make_certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Make a certificate of 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now, address = datetime.now(UTC), x509.IPAddress(ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ) + certificate.public_bytes(serialization.Encoding.PEM)
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return pem, context


def test_tls_is_used_where_it_is_offered(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem, context = make_certificate(tmp_path)
    server = MailServer(offers=("STARTTLS", "AUTH PLAIN"), context=context)
    login = {"notice_mail_user": "me", "notice_mail_password": SecretStr("pass")}
    with server.serving():
        [failure] = send(with_mail(settings, server.port, **login)).failures
        assert "certificate verify failed" in failure
        assert (server.mails, server.logins) == ([], []), "nothing goes to a server not trusted"
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        assert send(with_mail(settings, server.port, **login)).taken == ("mail",)
    assert server.secured == [True]


@pytest.mark.parametrize(
    ("server", "words"),
    [
        (lambda: MailServer(refuses=("a@example.org",)), "refused a@example.org"),
        (lambda: MailServer(refuses=("@example.org",)), "SMTPRecipientsRefused"),
        (lambda: MailServer(drip_s=0.2), "did not take it within 0.8 s"),
    ],
)
def test_a_mail_that_is_not_taken(
    settings: Settings, server: Callable[[], MailServer], words: str
) -> None:
    began = time.monotonic()
    with server().serving() as serving:
        [failure] = send(with_mail(settings, serving.port), limit_s=0.8).failures
    assert words in failure
    assert time.monotonic() - began < 3


def test_one_channel_does_not_stop_the_other(settings: Settings) -> None:
    with MailServer().serving() as server:
        own = with_hook(with_mail(settings, server.port), f"http://127.0.0.1:9{HOOK}")
        delivery = send(own)
    assert delivery.taken == ("mail",)
    assert len(delivery.failures) == 1


def test_a_password_does_not_cross_a_network_readable(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = {"notice_mail_user": "me", "notice_mail_password": SecretStr("pass")}
    monkeypatch.setattr("pipeline.supervision.delivery.is_loopback", lambda _: False)
    with MailServer(offers=("AUTH PLAIN",)).serving() as server:
        [failure] = send(with_mail(settings, server.port, **login)).failures
    assert "offers no TLS" in failure
    assert server.logins == []
