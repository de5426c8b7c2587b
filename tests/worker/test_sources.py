"""Fetching datasets: from a server on this machine, which only an explicit argument opens, and past no guard."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from reco_core.datasets import builtin
from reco_core.errors import DatasetTooLarge, DatasetUnavailable, DownloadFailed, UrlNotAllowed
from worker import sources
from worker.sources import Rules, fetch_url

LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
CONTENT = b"user,item,ts\na,x,1\nb,y,2\n"
Answer = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], int]]:
    """serve(answer) -> port of a server whose every GET is answered by `answer(handler)`."""
    servers: list[ThreadingHTTPServer] = []

    def start(answer: Answer) -> int:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server.server_address[1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def send(handler: BaseHTTPRequestHandler, content: bytes = CONTENT, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content_Length": str(len(content)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(content)


def rules(port: int, **more: Any) -> Rules:
    given = {"allow_urls": True, "allow_http_urls": True, "url_ports": [port], "networks": [LOOPBACK], "seconds": 20}
    return Rules(**{**given, **more})


def here(_host: str, _port: int) -> list[str]:
    return ["127.0.0.1"]


def test_a_file_is_fetched_under_its_own_name_and_host(serve: Any, tmp_path: Path) -> None:
    asked: list[tuple[str, str | None, str | None]] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append((handler.path, handler.headers["Host"], handler.headers["Accept-Encoding"]))
        send(handler)

    port = serve(answer)
    fetch_url(f"http://files.example.com:{port}/a.csv?v=1", tmp_path / "a.csv", rules(port), resolve=here)
    assert (tmp_path / "a.csv").read_bytes() == CONTENT
    assert asked == [("/a.csv?v=1", f"files.example.com:{port}", "identity")]


def test_the_name_is_resolved_once_and_the_connection_goes_to_that_address(serve: Any, tmp_path: Path) -> None:
    port = serve(send)
    answers = [["127.0.0.1"], ["10.0.0.1"]]

    def rebinding(_host: str, _port: int) -> list[str]:
        return answers.pop(0)

    fetch_url(f"http://files.example.com:{port}/a.csv", tmp_path / "a.csv", rules(port), resolve=rebinding)
    assert answers == [["10.0.0.1"]], "asked once"


@pytest.mark.parametrize(
    "found",
    [["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["::ffff:93.184.216.34"], ["169.254.169.254"], ["64:ff9b::a00:1"]],
)
def test_a_name_that_leads_to_a_private_address_is_refused_before_any_connection(
    found: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("connected"))
    with pytest.raises(UrlNotAllowed, match="not a public one"):
        fetch_url("https://files.example.com/a", tmp_path / "a", Rules(allow_urls=True), resolve=lambda *_: found)


def test_loopback_is_closed_unless_a_test_opens_it(serve: Any, tmp_path: Path) -> None:
    port = serve(send)
    for url in (f"http://127.0.0.1:{port}/a.csv", f"http://files.example.com:{port}/a.csv"):
        with pytest.raises(UrlNotAllowed):
            fetch_url(url, tmp_path / "a.csv", rules(port, networks=()), resolve=here)
    fetch_url(url, tmp_path / "a.csv", rules(port), resolve=here)


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "http://0x7f.1/",
        "http://localhost/",
        "file:///etc/passwd",
        "//10.0.0.1/",
        "ftp://files.example.com/",
        "http://files.example.com:22/",
        "http://user:secret@files.example.com/",
    ],
)
def test_each_redirect_is_checked_again(serve: Any, tmp_path: Path, location: str) -> None:
    port = serve(lambda handler: send(handler, b"", 302, Location=location))
    with pytest.raises(UrlNotAllowed):
        fetch_url(f"http://files.example.com:{port}/a", tmp_path / "a", rules(port), resolve=here)
    assert not (tmp_path / "a").exists()


def test_a_redirect_to_a_name_that_turns_private_is_refused(serve: Any, tmp_path: Path) -> None:
    port = serve(lambda handler: send(handler, b"", 307, Location=f"http://other.example.com:{port}/a"))

    def resolve(host: str, _port: int) -> list[str]:
        return ["127.0.0.1"] if host == "files.example.com" else ["192.168.0.1"]

    with pytest.raises(UrlNotAllowed, match=r"other\.example\.com"):
        fetch_url(f"http://files.example.com:{port}/a", tmp_path / "a", rules(port), resolve=resolve)


def test_redirects_are_followed_up_to_five_and_also_relative(serve: Any, tmp_path: Path) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        number = int(handler.path.rpartition("/")[2])
        send(handler, *((CONTENT,) if number == 5 else (b"", 302)), Location=f"/{number + 1}")

    port = serve(answer)
    fetch_url(f"http://files.example.com:{port}/0", tmp_path / "a", rules(port), resolve=here)
    assert (tmp_path / "a").read_bytes() == CONTENT
    port = serve(lambda handler: send(handler, b"", 302, Location="/1"))
    with pytest.raises(DownloadFailed, match="more than 5"):
        fetch_url(f"http://files.example.com:{port}/0", tmp_path / "b", rules(port), resolve=here)


def test_too_much_is_cut_whether_announced_or_not(serve: Any, tmp_path: Path) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b"x" * 65536)

    for name, answer in {"announced": lambda handler: send(handler, b"x" * 2000), "endless": endless}.items():
        port = serve(answer)
        with pytest.raises(DatasetTooLarge, match="1,000 bytes"):
            fetch_url(f"http://a.example:{port}/", tmp_path / name, rules(port, max_bytes=1000), resolve=here)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda handler: send(handler, b"", 404), "404"),
        (lambda handler: send(handler, b"", 204), "204"),
        (lambda handler: send(handler, Content_Length="99"), "after 25 of 99 bytes"),
        (lambda handler: send(handler, Content_Encoding="gzip"), "gzip"),
        (lambda handler: handler.wfile.write(b"nonsense\r\n"), "broke off"),
        (lambda handler: handler.connection.close(), "broke off"),
    ],
)
def test_what_is_no_file_is_a_failed_download(serve: Any, tmp_path: Path, answer: Answer, words: str) -> None:
    port = serve(answer)
    with pytest.raises(DownloadFailed, match=words):
        fetch_url(f"http://files.example.com:{port}/a", tmp_path / "a", rules(port), resolve=here)


@pytest.mark.parametrize("headers", [b"", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_server_that_says_little_by_little_nothing_is_left_at_the_deadline(
    serve: Any, tmp_path: Path, headers: bytes
) -> None:
    over = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(headers)
        while not over.wait(0.02):
            handler.wfile.write(b"x")

    port = serve(drip)
    with pytest.raises(DownloadFailed, match=r"longer than 0\.3 seconds"):
        fetch_url(f"http://files.example.com:{port}/a", tmp_path / "a", rules(port, seconds=0.3), resolve=here)
    over.set()


def test_names_and_ports_that_nobody_answers(tmp_path: Path) -> None:
    def unknown(_host: str, _port: int) -> list[str]:
        raise socket.gaierror("Name or service not known")

    with pytest.raises(DownloadFailed, match="resolved"):
        fetch_url("https://files.example.com/a", tmp_path / "a", Rules(allow_urls=True), resolve=unknown)
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(DownloadFailed, match="could not be reached"):
        fetch_url(f"http://files.example.com:{port}/a", tmp_path / "a", rules(port), resolve=here)


def test_tls_is_for_the_name_and_not_for_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str | None] = []

    def handshake(
        _context: ssl.SSLContext, _sock: socket.socket, server_hostname: str | None = None, **_options: bool
    ) -> Any:
        names.append(server_hostname)
        raise ssl.SSLCertVerificationError("certificate verify failed")

    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", handshake)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(DownloadFailed, match="certificate"):
            fetch_url(f"https://files.example.com:{port}/a", tmp_path / "a", rules(port), resolve=here)
    assert names == ["files.example.com"]


def test_off_by_default(tmp_path: Path) -> None:
    with pytest.raises(UrlNotAllowed, match="POCKETREC_ALLOW_URLS"):
        fetch_url("https://files.example.com/a", tmp_path / "a", Rules())


def test_a_builtin_is_copied_out_of_the_cache_and_a_failure_is_mended_by_the_next_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> Path:
        raise DatasetUnavailable("no network")

    monkeypatch.setattr(builtin, "fetch", away)
    source = {"builtin": "movielens-100k"}
    with pytest.raises(DownloadFailed, match="no network"):
        sources.fetch(source, tmp_path / "one", tmp_path / "cache", Rules(), print)
    cached = tmp_path / "cached.zip"
    cached.write_bytes(b"zip")
    monkeypatch.setattr(builtin, "fetch", lambda *_: cached)
    found = sources.fetch(source, tmp_path / "two", tmp_path / "cache", Rules(), print)
    assert (found.name, found.read_bytes()) == ("movielens-100k.zip", b"zip")
    assert not found.samefile(cached)
