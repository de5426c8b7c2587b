"""URLs of databases, stores and brokers: as they may be shown, and what is wrong with one."""

from __future__ import annotations

import re

# The form that SQLAlchemy reads, so that a password may hold what a URL of the web couldn't.
_URL = re.compile(
    r"(?P<scheme>[\w.+-]+)://(?:[^:/]*(?::[^@]*)?@)?(?P<host>\[[^/?]+\]|[^/:?]*)(?::(?P<port>[^/?]*))?"
    r"(?:/(?P<path>[^?]*))?(?:\?.*)?",
    re.DOTALL,
)
_SECRET_PARAMETER = re.compile(
    r"(?i)([?&](?:\w*(?:password|passwd|secret|token|access_key|account_key)\w*|sig)=)[^&#]+"
)
_STORES = frozenset({"file", "s3", "s3a", "gs", "az", "adl", "azure", "abfs", "abfss", "https"})


def without_password(url: str) -> str:
    """`url` as it may be shown and logged."""
    scheme, separator, rest = url.partition("://")
    if separator and not rest.startswith("/"):  # what begins with a path has no user, and may hold any character
        credentials, at, host = rest.rpartition("@")
        if at and credentials:
            rest = f"{credentials.partition(':')[0]}:***@{host}"
    return _SECRET_PARAMETER.sub(r"\1***", f"{scheme}{separator}{rest}")


def database_fault(url: str) -> str | None:
    """Why this is the URL of no database that can be used, in plain words without secrets; None: it may be one."""
    expected = "expected sqlite:///path.db or postgresql://user@host/name"
    found = _URL.fullmatch(url)
    if found is None:
        return f"it is no URL; {expected}"
    kind = found["scheme"].partition("+")[0]
    if kind == "sqlite":
        if not found["path"] or found["path"] == ":memory:":
            return "SQLite in memory can't be shared between processes; name a file: sqlite:///path.db"
        if found["host"]:
            return (
                f"a file has no host, so there are three slashes before a relative path, four before others; {expected}"
            )
        return None
    if kind not in ("postgresql", "postgres"):
        return f"it names {kind!r}; {expected}"
    return _port_fault(found["port"], expected)


def broker_fault(url: str) -> str | None:
    """The same for the URL of a broker."""
    expected = "expected redis://host:6379/0, or rediss:// with TLS"
    found = _URL.fullmatch(url)
    if found is None:
        return f"it is no URL; {expected}"
    # Of other brokers a URL may name several servers.
    return _port_fault(found["port"], expected) if found["scheme"] in ("redis", "rediss") else None


def store_fault(url: str) -> str | None:
    """The same for the folder or URL of a blob store."""
    if "://" not in url:
        return None
    scheme, _, rest = url.partition("://")
    expected = "expected a folder, or file:///folder, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix"
    if scheme not in _STORES:
        return f"it names {scheme!r}; {expected}"
    return None if rest.strip("/") else f"it names no folder or bucket; {expected}"


def _port_fault(port: str | None, expected: str) -> str | None:
    if port is None or (port.isascii() and port.isdigit() and int(port) < 65536):
        return None
    return f"its port is no number up to 65535; {expected}"
