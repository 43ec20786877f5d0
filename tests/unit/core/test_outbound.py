import contextlib
import datetime
import http.server
import logging
import ssl
import threading
from collections.abc import Iterator

import httpx
import pytest

from models.core import public_addresses
from models.core.errors import CapacityExceeded, InvalidInput, TooLarge, UpstreamUnavailable
from models.core.outbound import Limits, OutboundClient
from models.core.retry import RetryPolicy

SECRET = "planted-secret"  # noqa: S105
LIMITS = Limits(body_bytes=1000)


class Provider(http.server.ThreadingHTTPServer):
    """Answers by the path; counts what it was asked."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.stop = threading.Event()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        self.server.asked.append(self.headers["Host"])
        path = self.path.partition("?")[0]
        getattr(self, path.strip("/").replace("-", "_"))()

    do_POST = do_GET  # noqa: N815

    def reply(self, status: int, body: bytes = b'{"ok": true}', **fields: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **fields}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def fine(self) -> None:
        self.reply(200)

    def twice_broken(self) -> None:
        self.reply(500 if len(self.server.asked) <= 2 else 200)

    def broken(self) -> None:
        self.reply(500)

    def missing(self) -> None:
        self.reply(404)

    def soon(self) -> None:
        self.reply(429 if len(self.server.asked) == 1 else 200, Retry_After="2")

    def later(self) -> None:
        self.reply(429, Retry_After="3600")

    def elsewhere(self) -> None:
        self.reply(302, Location="/fine")

    def hangs(self) -> None:
        self.server.stop.wait()
        self.close_connection = True

    def drips(self) -> None:
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):  # nobody reads it any more
            while not self.server.stop.wait(0.02):
                self.wfile.write(b" ")
        self.close_connection = True

    def announced(self) -> None:
        self.reply(200, b"x" * 1001)

    def endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"x" * 5000)
        self.close_connection = True

    def no_json(self) -> None:
        self.reply(200, b"<html>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.stop.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def client(waits: list[float]) -> Iterator[OutboundClient]:
    policy = RetryPolicy(uniform=lambda low, high: high)
    with OutboundClient(LIMITS, policy, sleep=waits.append) as outbound:
        yield outbound


def test_an_answer_is_read(client, provider):
    reply = client.request("GET", provider.url("/fine"))

    assert (reply.status, reply.json()) == (200, {"ok": True})


def test_two_failures_are_survived(client, provider, waits):
    assert client.request("GET", provider.url("/twice-broken")).status == 200

    assert len(provider.asked) == 3
    assert waits == [0.25, 0.5]


def test_what_stays_broken_is_unavailable(client, provider):
    with pytest.raises(UpstreamUnavailable, match="answered 500"):
        client.request("GET", provider.url("/broken"))

    assert len(provider.asked) == 3


@pytest.mark.parametrize(("retry", "asked"), [(None, 1), (True, 3)])
def test_a_post_is_repeated_only_when_told(client, provider, retry, asked):
    with pytest.raises(UpstreamUnavailable):
        client.request("POST", provider.url("/broken"), json={"a": 1}, retry=retry)

    assert len(provider.asked) == asked


def test_retry_after_is_honoured(client, provider, waits):
    assert client.request("GET", provider.url("/soon")).status == 200
    assert waits == [2.0]


def test_a_long_retry_after_is_handed_to_the_caller(client, provider, waits):
    with pytest.raises(CapacityExceeded) as caught:
        client.request("GET", provider.url("/later"))

    assert caught.value.retry_after_s == 3600
    assert waits == []


def test_other_statuses_are_answers_only_where_expected(client, provider):
    assert client.request("GET", provider.url("/missing"), accept={404}).status == 404
    with pytest.raises(UpstreamUnavailable, match="answered 404"):
        client.request("GET", provider.url("/missing"))
    assert len(provider.asked) == 2


def test_redirects_are_not_followed(client, provider):
    with pytest.raises(UpstreamUnavailable, match="answered 302"):
        client.request("GET", provider.url("/elsewhere"))

    assert len(provider.asked) == 1


@pytest.mark.parametrize("path", ["/hangs", "/drips"])
def test_a_server_that_does_not_finish_is_left(provider, path):
    limits = Limits(read_s=0.1, total_s=0.2)
    with OutboundClient(limits, RetryPolicy()) as client, pytest.raises(UpstreamUnavailable):
        client.request("POST", provider.url(path))

    assert not provider.stop.is_set()


@pytest.mark.parametrize("path", ["/announced", "/endless"])
def test_large_bodies_are_cut_off(client, provider, path):
    with pytest.raises(UpstreamUnavailable, match="more than 1,000 bytes"):
        client.request("GET", provider.url(path))

    assert len(provider.asked) == 1


def test_something_else_than_json_is_named(client, provider):
    with pytest.raises(UpstreamUnavailable, match="JSON"):
        client.request("GET", provider.url("/no-json")).json()


def test_nobody_listening_is_unavailable(client, waits):
    with pytest.raises(UpstreamUnavailable, match="ConnectError"):
        client.request("GET", "http://127.0.0.1:9/")
    assert len(waits) == 2


@pytest.mark.parametrize("path", ["/fine", "/twice-broken", "/missing"])
def test_secrets_stay_out_of_logs_and_errors(client, provider, caplog, path):
    caplog.set_level(logging.DEBUG)
    url = provider.url(path).replace("//", f"//user:{SECRET}@") + f"?api_key={SECRET}"
    message = ""
    try:
        client.request(
            "GET", url, headers={"Authorization": SECRET}, params={"token": SECRET, "q": "sky"}
        )
    except UpstreamUnavailable as error:
        message = repr(error)

    assert caplog.records
    logged = [f"{record.getMessage()} {vars(record)}" for record in caplog.records]
    assert not [line for line in [*logged, message] if SECRET in line]


@pytest.mark.parametrize(
    "url",
    ["http://example.com/", "ftp://example.com/", "https://", "nonsense", "https://user@example.com/",
     "https://127.0.0.1/", "https://2130706433/", "https://0x7f.1/", "https://[::1]/",
     "https://[::ffff:10.0.0.1]/", "https://169.254.169.254/latest/meta-data", "https://10.1.2.3/",
     "https://localhost/", "https://[64:ff9b::a00:1]/", "https://0/", "https://x:99999/", "https://[/"],
)  # fmt: skip
def test_callers_lead_nowhere_private(client, url):
    with pytest.raises(InvalidInput):
        client.request("GET", url, from_caller=True)


def pinned_client(handler, addresses, **options) -> OutboundClient:
    return OutboundClient(
        LIMITS,
        transport=httpx.MockTransport(handler),
        resolver=lambda _host, _port: next(addresses),
        sleep=lambda _: None,
        **options,
    )


def test_the_checked_address_is_the_one_connected_to():
    seen = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append((request.url.host, request.headers["host"], request.extensions["sni_hostname"]))
        return httpx.Response(200)

    with pinned_client(handler, iter([["93.184.215.14"]])) as client:
        client.request("GET", "https://stars.example:8443/a", from_caller=True)

    assert seen == [("93.184.215.14", "stars.example:8443", "stars.example")]


def test_a_name_that_turns_private_is_refused_at_the_next_attempt():
    answers = iter([["93.184.215.14"], ["127.0.0.1"]])

    with (
        pinned_client(lambda _: httpx.Response(503), answers) as client,
        pytest.raises(InvalidInput, match="public"),
    ):
        client.request("GET", "https://stars.example/", from_caller=True)


def test_one_private_address_among_public_ones_is_refused():
    with (
        pinned_client(
            lambda _: httpx.Response(200), iter([["93.184.215.14", "10.0.0.1"]])
        ) as client,
        pytest.raises(InvalidInput, match="public"),
    ):
        client.request("GET", "https://stars.example/", from_caller=True)


def test_a_caller_is_told_of_redirects_and_sizes_but_not_of_paths():
    answers = iter([["93.184.215.14"]] * 2)
    replies = iter([httpx.Response(302), httpx.Response(200, content=b"x" * 2000)])

    with pinned_client(lambda _: next(replies), answers) as client:
        with pytest.raises(InvalidInput, match="redirects") as caught:
            client.request("GET", f"https://hooks.example/{SECRET}", from_caller=True)
        with pytest.raises(TooLarge):
            client.request("GET", "https://stars.example/", from_caller=True)

    assert SECRET not in caught.value.detail


def test_an_unknown_name_is_unavailable(client):
    def fail(_host: str, _port: int) -> list[str]:
        raise OSError("no such name")

    with OutboundClient(resolver=fail) as outbound, pytest.raises(UpstreamUnavailable):
        outbound.request("GET", "https://stars.example/", from_caller=True)


@pytest.mark.parametrize(("name", "trusted"), [("stars.example", True), ("other.example", False)])
def test_the_certificate_is_checked_for_the_name_and_not_for_the_address(
    provider, tmp_path, monkeypatch, name, trusted
):
    certificate = _certificate(tmp_path, "stars.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    provider.socket = context.wrap_socket(provider.socket, server_side=True)
    monkeypatch.setattr(public_addresses, "is_public", lambda _: True)
    url = f"https://{name}:{provider.server_address[1]}/fine"

    with OutboundClient(
        LIMITS,
        RetryPolicy(attempts=1),
        resolver=lambda _host, _port: ["127.0.0.1"],
        verify=ssl.create_default_context(cafile=certificate),
    ) as client:
        if trusted:
            assert client.request("GET", url, from_caller=True).status == 200
        else:
            with pytest.raises(UpstreamUnavailable, match="ConnectError"):
                client.request("GET", url, from_caller=True)

    assert len(provider.asked) == trusted


def _certificate(folder, name):
    x509 = pytest.importorskip("cryptography.x509", reason="makes the certificate")
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
