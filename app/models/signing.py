"""`GET /v1/signing_key`, and the signature beside each manifest."""

from __future__ import annotations

import base64

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from app import conditional
from app.dependencies import Services, Wired
from app.responses import ETAG, NOT_MODIFIED, ok, problems
from app.security import Asker
from registry.records import FileEntry

MANIFEST = "manifest.json"
SIGNATURE = "manifest.json.sig"

router = APIRouter(prefix="/v1/signing_key", tags=["models"])


class SigningKeyView(BaseModel):
    """The public key of all signatures."""

    algorithm: str
    key_id: str = Field(description="16 hex digits of the sha256 of the raw key.")
    public_key: str = Field(description="The 32 raw bytes in base64.")
    pem: str = Field(description="The same for OpenSSL.")


_EXAMPLE = {
    "algorithm": "Ed25519",
    "key_id": "21fe31dfa154a261",
    "public_key": "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    "pem": "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
    "-----END PUBLIC KEY-----\n",
}


@router.get(
    "",
    response_model=SigningKeyView,
    responses={**ok("The public key.", _EXAMPLE, ETAG), **NOT_MODIFIED, **problems()},
)
def get_signing_key(request: Request, services: Wired, _principal: Asker) -> Response:
    """The key with which `manifest.json.sig` of every version can be checked. Pin it in your build."""
    signer = services.signer()
    shown = SigningKeyView(
        algorithm="Ed25519",
        key_id=signer.key_id,
        public_key=base64.b64encode(signer.public_key).decode(),
        pem=signer.pem,
    )
    return conditional.respond_with(request, shown)


def signature(services: Services, manifest: FileEntry) -> bytes:
    """The 64 bytes of the signature of a stored manifest, whose hash is checked first.

    Raises:
        RegistryError: the manifest is missing or damaged.
    """
    services.blobs.verify(manifest.sha256)
    return services.signer().sign(b"".join(services.blobs.open_range(manifest.sha256, 0, manifest.bytes)))
