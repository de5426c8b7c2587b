"""Settings that only the API has; those of the whole service are `registry.settings.Settings`."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ApiSettings(BaseSettings):
    """From environment variables with the prefix POCKETREC_, or keyword arguments."""

    model_config = SettingsConfigDict(env_prefix="POCKETREC_", frozen=True, extra="ignore")

    api_key: SecretStr | None = Field(None, description="The key that clients must send; unset: loopback only, no key.")

    signing_key: SecretStr | None = Field(
        None,
        description="The Ed25519 key that signs manifests, 32 bytes in base64; unset: one that is made once and kept "
        "in the database.",
    )

    @property
    def signing(self) -> str | None:
        """The signing key as it was given, or None."""
        return (self.signing_key.get_secret_value() or None) if self.signing_key is not None else None

    @property
    def key(self) -> str | None:
        """The key in plain text, or None where none (or an empty one) is set."""
        return (self.api_key.get_secret_value() or None) if self.api_key is not None else None
