"""Credentials: from the environment, and only when they are used."""

import os

from reverse_etl.errors import ConfigurationError, NotConfigured


def credentials(tool: str, *names: str) -> tuple[str, ...]:
    """The values of environment variables that a tool needs, all of them.

    Raises NotConfigured when none is set, ConfigurationError naming those that are missing when only some are.
    """
    values = tuple(os.environ.get(name, "").strip() for name in names)
    missing = [name for name, value in zip(names, values, strict=True) if not value]
    if len(missing) == len(names):
        raise NotConfigured(f"{tool} is not configured: set {', '.join(names)}")
    if missing:
        raise ConfigurationError(f"{tool} is half configured: {', '.join(missing)} is not set")
    return values


def setting(name: str, default: str) -> str:
    """An environment variable that has a default, such as the address of the tool."""
    return os.environ.get(name, "").strip() or default
