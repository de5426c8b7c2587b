"""URLs that must not be fetched are refused as they are written; the others come apart as they should."""

from __future__ import annotations

import pytest

from reco_core.datasets import addresses
from reco_core.errors import UrlNotAllowed


@pytest.mark.parametrize(
    ("url", "host", "port", "target"),
    [
        ("https://example.com/a/ratings.csv", "example.com", 443, "/a/ratings.csv"),
        ("https://example.com", "example.com", 443, "/"),
        ("HTTPS://Example.COM:443/a?b=c&d#e", "example.com", 443, "/a?b=c&d"),
        ("https://example.com./x", "example.com", 443, "/x"),
        ("https://93.184.216.34/x", "93.184.216.34", 443, "/x"),
        ("https://[2606:2800:220:1:248:1893:25c8:1946]/x", "2606:2800:220:1:248:1893:25c8:1946", 443, "/x"),
        ("https://xn--bcher-kva.example/%20a", "xn--bcher-kva.example", 443, "/%20a"),
    ],
)
def test_public_ones(url: str, host: str, port: int, target: str) -> None:
    found = addresses.checked(url)
    assert (found.scheme, found.host, found.port, found.target) == ("https", host, port, target)


def test_the_host_header_names_an_unusual_port_and_brackets() -> None:
    assert addresses.checked("https://example.com:8443/", ports=[8443]).authority == "example.com:8443"
    assert addresses.checked("https://[2606:4700::1]/").authority == "[2606:4700::1]"
    assert addresses.checked("http://example.com/", http=True).authority == "example.com"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ratings.csv",
        "//example.com/a",
        "http://example.com/a",
        "ftp://example.com/a",
        "file:///etc/passwd",
        "gopher://example.com/",
        "https://",
        "https:///a",
        "https://user@example.com/",
        "https://user:secret@example.com/",
        "https://example.com:22/",
        "https://example.com:99999/",
        "https://example.com:x/",
        "https://exa mple.com/",
        "https://example.com/a b",
        "https://example.com\\@10.0.0.1/",
        "https://example.com/\r\nHost: x",
        "https://bücher.example/",
        "https://１２７.0.0.1/",
        "https://-a.example/",
        "https://a..example/",
        "https://" + "a" * 64 + ".example/",
        "https://example.com/" + "a" * 2048,
        # this machine and its network, by name
        "https://localhost/",
        "https://a.localhost/",
        "https://redis/",
        "https://printer.local/",
        "https://metadata.google.internal/",
        # by address, in each way that some library understands
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://127.0.0.0x1/",
        "https://017700000001/",
        "https://0/",
        "https://10.0.0.1./",
        "https://0.0.0.0/",
        "https://10.1.2.3/",
        "https://172.16.0.1/",
        "https://192.168.1.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://168.63.129.16/",
        "https://100.100.100.200/",
        "https://192.0.0.192/",
        "https://198.18.0.1/",
        "https://224.0.0.1/",
        "https://240.0.0.1/",
        "https://255.255.255.255/",
        "https://[::1]/",
        "https://[::]/",
        "https://[::127.0.0.1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[::ffff:93.184.216.34]/",
        "https://[::ffff:0:127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[64:ff9b:1::1]/",
        "https://[2002:7f00:1::]/",
        "https://[2001:0:7f00:1::]/",
        "https://[fe80::1]/",
        "https://[fe80::1%25eth0]/",
        "https://[2606:4700::1%25eth0]/",
        "https://[fc00::1]/",
        "https://[fd00:ec2::254]/",
        "https://[fec0::1]/",
        "https://[ff02::1]/",
        "https://[2001:db8::1]/",
        "https://[2606:4700::5efe:7f00:1]/",
        "https://[::1/",
        "https://[v1.x]/",
    ],
)
def test_refused_as_they_are_written(url: str) -> None:
    with pytest.raises(UrlNotAllowed) as caught:
        addresses.checked(url)
    assert caught.value.code == "url_not_allowed"
    assert caught.value.errors[0].pointer == "/url"


@pytest.mark.parametrize("address", ["example.com", "", "93.184.216.34/8", "1", "::1", "10.0.0.1"])
def test_what_is_not_a_public_address(address: str) -> None:
    assert not addresses.is_public(address)
