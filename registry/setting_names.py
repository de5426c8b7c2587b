"""The environment variables of the settings. Imports nothing: who only names one needs no settings."""

PREFIX = "POCKETREC_"


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()
