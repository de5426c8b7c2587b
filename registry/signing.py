"""The key that signs manifests: Ed25519 (RFC 8032), one for the service, so that a build can pin it.

The manifest has the sha256 of every other file, so that one signature covers a whole version. Signatures are
deterministic: the same manifest and key give the same 64 bytes, whichever process signs.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from registry import tables
from registry.database import now
from registry.errors import RegistryError
from registry.upsert import insert_if_absent

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from registry.database import Database

KEY_BYTES = 32
KEY_NAME = "signing"


class SigningKeyInvalid(RegistryError):
    """The configured or kept key is not one."""

    code = "signing_key_invalid"


@dataclass(frozen=True)
class Signer:
    """Signs with one key. `public_key` are its 32 raw bytes."""

    public_key: bytes
    _private: Ed25519PrivateKey

    @property
    def key_id(self) -> str:
        """16 hex digits of the public key's sha256."""
        return hashlib.sha256(self.public_key).hexdigest()[:16]

    @property
    def pem(self) -> str:
        """The public key as OpenSSL reads it."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return self._private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the signature."""
        return self._private.sign(message)


def signer(database: Database, configured: str | None = None) -> Signer:
    """The signer with the `configured` key (base64 of 32 bytes), or with the one kept in the database, made if absent.

    Raises:
        SigningKeyInvalid: with the remedy.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    private = Ed25519PrivateKey.from_private_bytes(_decoded(configured) if configured else _kept(database))
    return Signer(private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw), private)


def check(configured: str | None) -> None:
    """Raise SigningKeyInvalid where a key is configured that `signer` would refuse."""
    if configured:
        _decoded(configured)


def _decoded(text: str) -> bytes:
    try:
        seed = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        seed = b""
    if len(seed) != KEY_BYTES:
        raise SigningKeyInvalid(
            f"POCKETREC_SIGNING_KEY must be {KEY_BYTES} bytes in base64; `openssl rand -base64 {KEY_BYTES}` makes one"
        )
    return seed


def _kept(database: Database) -> bytes:
    """The key in the database. Of several processes that make one at the same time, all use the first."""
    keys = tables.service_keys
    query = select(keys.c.value).where(keys.c.name == KEY_NAME)
    with database.read() as session:
        kept = session.execute(query).scalar_one_or_none()
    if kept is None:
        with database.write() as session:
            made = base64.b64encode(os.urandom(KEY_BYTES)).decode()
            insert_if_absent(session, keys, name=KEY_NAME, value=made, created_at=now(session))
            kept = session.execute(query).scalar_one()
    return _decoded(kept)
