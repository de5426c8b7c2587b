"""The service's settings, for the commands that run it or work on its stores."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from app.cli.errors import CommandFailed, Status
from app.cli.output import say

if TYPE_CHECKING:
    from registry.settings import Settings

# Variables that aren't the service's, but the command line's, and those that docker-compose.yml reads.
OTHERS = ("url", "http_port", "version", "api_memory", "worker_memory")


def load_settings(given: dict[str, Any]) -> Settings:
    """The service's settings from the environment, overridden by `given`.

    Warns of variables that look like settings but are none.

    Raises:
        CommandFailed: a value is not valid; one line a fault, which names the variable.
    """
    from pydantic import ValidationError

    from app.settings import ApiSettings
    from registry import setting_faults
    from registry.settings import Settings

    for line in setting_faults.unknown(os.environ, (*Settings.model_fields, *ApiSettings.model_fields, *OTHERS)):
        say(f"warning: {line}", style="yellow")
    try:
        settings = Settings(**given)
    except ValidationError as error:
        raise CommandFailed(Status.BAD_INPUT, "settings_invalid", setting_faults.lines(error)) from None
    _check_bucket(settings.blob_url)
    return settings


def _check_bucket(url: str) -> None:
    """What only the library of buckets knows to be wrong, such as a variable that is missing beside the URL."""
    if "://" not in url:
        return
    from obstore.exceptions import BaseError

    from registry.blobs import BlobStore
    from registry.urls import without_password

    try:
        BlobStore(url)
    except (BaseError, ValueError) as error:
        reason = str(error).splitlines()[0].replace(url, without_password(url))
        line = f"POCKETREC_BLOB_URL: {without_password(url)!r} can't be used: {reason}"
        raise CommandFailed(Status.BAD_INPUT, "settings_invalid", [line]) from None
