"""Datasets that aren't uploaded: fetched by name or from a URL, in the trainer process of their validation.

That process has no credentials and can be killed, and nothing of the service waits for it. A URL's name is resolved
once for each hop, all of its addresses must be public, and the connection goes to the address that was looked at: a
name server that answers differently the second time is never asked a second time.
"""

from __future__ import annotations

import fcntl
import ipaddress
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from reco_core.datasets import addresses, builtin
from reco_core.datasets.addresses import Address
from reco_core.errors import DatasetTooLarge, DatasetUnavailable, DownloadFailed, is_disk_full

MAX_REDIRECTS = 5
CONNECT_SECONDS = 10.0
SILENT_SECONDS = 30.0
_BLOCK = 1 << 16
_REDIRECTS = (301, 302, 303, 307, 308)

Resolver = Callable[[str, int], Sequence[str]]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Rules:
    """What may be fetched, and how much of it. `networks` opens private ones, which no setting can do."""

    allow_urls: bool = False
    allow_http_urls: bool = False
    url_ports: Sequence[int] = (80, 443)
    max_bytes: int = 2 * 1024**3
    seconds: float = 600
    networks: Sequence[Network] = ()


def fetch(source: Mapping[str, Any], folder: Path, cache: Path, rules: Rules, report: Callable[[str], None]) -> Path:
    """Fetch what `source` names (`{"builtin": name}` or `{"url": ..., "filename": ...}`) into the new `folder`.

    Raises:
        DownloadFailed: it can't be had right now.
        DatasetTooLarge: more than `rules.max_bytes`.
        UrlNotAllowed: the URL, or where it leads, is refused.
    """
    folder.mkdir(parents=True)
    if "builtin" in source:
        return _fetch_builtin(str(source["builtin"]), folder, cache, report)
    target = folder / str(source.get("filename") or "log")
    # Without the query, which may be a signature: everybody who may read the job's log reads this.
    report(f"fetching {str(source['url']).partition('?')[0].partition('#')[0]}")
    fetch_url(str(source["url"]), target, rules)
    return target


def fetch_url(url: str, target: Path, rules: Rules, *, resolve: Resolver | None = None) -> None:
    """Download `url` to `target`, following at most MAX_REDIRECTS redirects.

    Raises:
        DownloadFailed, DatasetTooLarge, UrlNotAllowed: see `fetch`.
    """
    if not rules.allow_urls:
        raise addresses.refused("fetching from URLs is switched off on the worker (POCKETREC_ALLOW_URLS)")
    give_up = time.monotonic() + rules.seconds
    for _ in range(MAX_REDIRECTS + 1):
        address = addresses.checked(url, http=rules.allow_http_urls, ports=rules.url_ports)
        with _answer(address, rules, give_up, resolve or _resolve) as answer:
            if answer.status not in _REDIRECTS:
                _receive(answer, address, target, rules, give_up)
                return
            url = urljoin(url, answer.headers.get("Location", ""))
    raise DownloadFailed(f"{address.host} redirected more than {MAX_REDIRECTS} times; give the address it leads to")


def _fetch_builtin(name: str, folder: Path, cache: Path, report: Callable[[str], None]) -> Path:
    cache.mkdir(parents=True, exist_ok=True)
    try:
        with (cache / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two that fetch at the same time would write into one file
            found = builtin.fetch(name, cache, report)
            target = folder / f"{name}.zip"
            shutil.copyfile(found, target)
    except DatasetUnavailable as error:
        raise DownloadFailed(error.message) from None
    return target


def _is_open(address: str, rules: Rules) -> bool:
    return any(ipaddress.ip_address(address) in network for network in rules.networks)


def _resolve(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _public_addresses(address: Address, rules: Rules, resolve: Resolver) -> Sequence[str]:
    try:
        found = resolve(address.host, address.port)
    except OSError as error:
        raise DownloadFailed(f"the name {address.host} can't be resolved ({error}); is it spelled right?") from None
    if not found:
        raise DownloadFailed(f"the name {address.host} has no address")
    # One private address among public ones is how rebinding looks.
    for one in found:
        if not (addresses.is_public(one) or _is_open(one, rules)):
            raise addresses.refused(f"{address.host} leads to an address that is not a public one")
    return found


@contextmanager
def _answer(address: Address, rules: Rules, give_up: float, resolve: Resolver) -> Iterator[HTTPResponse]:
    """The answer to a GET of `address`, its body still to be read."""
    found = _public_addresses(address, rules, resolve)
    try:
        connection = _connect(address, found, give_up)
    except OSError as error:
        raise DownloadFailed(f"{address.host} could not be reached ({error})") from None
    # Whoever sends a byte now and then is never silent for long; this ends it all the same.
    timer = threading.Timer(max(0.0, give_up - time.monotonic()), _shut_down, [connection.sock])
    timer.daemon = True
    timer.start()
    try:
        headers = {"Host": address.authority, "Accept-Encoding": "identity", "User-Agent": "pocketrec", "Accept": "*/*"}
        connection.request("GET", address.target, headers=headers)
        yield connection.getresponse()
    except (OSError, HTTPException) as error:
        if is_disk_full(error):
            raise
        if time.monotonic() >= give_up:
            raise DownloadFailed(
                f"the download took longer than {rules.seconds:g} seconds (download_seconds)"
            ) from None
        raise DownloadFailed(f"{address.host} broke off the download ({error or type(error).__name__})") from None
    finally:
        timer.cancel()
        connection.close()


def _connect(address: Address, found: Sequence[str], give_up: float) -> HTTPConnection:
    """A connection to the first of the addresses that answers; TLS is for the name, whatever the address."""
    last: OSError = TimeoutError("no time left")
    for one in found:
        left = give_up - time.monotonic()
        if left <= 0:
            break
        try:
            plain = socket.create_connection((one, address.port), timeout=min(CONNECT_SECONDS, left))
        except OSError as error:
            last = error
            continue
        connection = HTTPConnection(address.host, address.port)
        connection.sock = plain
        try:
            if address.scheme == "https":
                connection.sock = _with_tls(plain, address.host, give_up)
            connection.sock.settimeout(SILENT_SECONDS)
        except OSError:
            plain.close()
            raise
        return connection
    raise last


def _receive(answer: HTTPResponse, address: Address, target: Path, rules: Rules, give_up: float) -> None:
    if answer.status != 200:
        raise DownloadFailed(f"{address.host} answered with status {answer.status}; is the address right?")
    if (coding := answer.headers.get("Content-Encoding", "identity")).lower() != "identity":
        raise DownloadFailed(f"{address.host} sent the file encoded as {coding[:40]!r}, which was not asked for")
    if answer.length is not None and answer.length > rules.max_bytes:
        raise _too_large(address, rules)
    announced, received = answer.length, 0
    with target.open("xb") as file:
        while block := answer.read(_BLOCK):
            received += len(block)
            if received > rules.max_bytes:
                raise _too_large(address, rules)
            file.write(block)
            if time.monotonic() >= give_up:
                break
    if time.monotonic() >= give_up:
        raise TimeoutError  # the end may be that of the timer, not of the file
    if announced is not None and received != announced:
        raise DownloadFailed(f"{address.host} ended the download after {received:,} of {announced:,} bytes")


def _too_large(address: Address, rules: Rules) -> DatasetTooLarge:
    return DatasetTooLarge(
        f"the file at {address.host} has more than {rules.max_bytes:,} bytes (max_upload_bytes), which is the limit"
    )


def _with_tls(plain: socket.socket, host: str, give_up: float) -> ssl.SSLSocket:
    secured = ssl.create_default_context().wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
    # A handshake that trickles in is never silent for long either.
    timer = threading.Timer(max(0.0, give_up - time.monotonic()), _shut_down, [secured])
    timer.daemon = True
    timer.start()
    try:
        secured.do_handshake()
    except OSError:
        secured.close()
        raise
    finally:
        timer.cancel()
    return secured


def _shut_down(connection: socket.socket | None) -> None:
    if connection is not None:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
