"""Manifests are signed: whoever has the public key can tell a version of this service from any other."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from app.settings import ApiSettings
from registry.database import Database
from registry.signing import SigningKeyInvalid, signer

MANIFEST = b'{"files": [{"path": "model.tflite"}]}'
SIGNATURE = "/v1/models/films/versions/1/files/manifest.json.sig"


@pytest.fixture
def films(service: Any) -> Any:
    service.published({"manifest.json": MANIFEST, "model.tflite": b"model"})
    return service


def test_the_signature_is_the_manifests(films: Any) -> None:
    answer = films.client.get(SIGNATURE)
    assert (answer.status_code, len(answer.content)) == (200, 64)
    shown = films.client.get("/v1/signing_key").json()
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(shown["public_key"]))
    assert load_pem_public_key(shown["pem"].encode()) == key
    key.verify(answer.content, MANIFEST)
    with pytest.raises(InvalidSignature):
        key.verify(answer.content, MANIFEST + b" ")


def test_it_is_served_as_files_are(films: Any) -> None:
    first = films.client.get(SIGNATURE)
    assert films.client.head(SIGNATURE).headers["ETag"] == first.headers["ETag"]
    again = films.client.get(SIGNATURE, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_without_a_manifest_there_is_none(service: Any) -> None:
    service.published({"model.tflite": b"model"})
    assert service.client.get(SIGNATURE).status_code == 404


def test_the_key_is_made_once_for_all_processes(films: Any) -> None:
    first = films.client.get("/v1/signing_key").json()["key_id"]
    another_process = Database(films.settings.database_url)
    assert signer(another_process).key_id == first
    another_process.dispose()


def test_a_given_key_is_used_and_never_shown(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given = base64.b64encode(bytes(range(32))).decode()
    monkeypatch.setenv("POCKETREC_SIGNING_KEY", given)
    api = ApiSettings()
    assert given not in repr(api)
    # The public key of RFC 8032's method for this seed, computed by another implementation.
    assert signer(service.database, api.signing).public_key.hex() == (
        "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
    )


@pytest.mark.parametrize("bad", ["x", "AAAA", "?" * 44])
def test_what_is_no_key_is_refused_with_the_remedy(service: Any, bad: str) -> None:
    with pytest.raises(SigningKeyInvalid, match="openssl rand"):
        signer(service.database, bad)
