"""Start the server of the dashboards, with what the environment says (docs/dashboards.md)."""

import os
from pathlib import Path

from kinship.errors import WrongUse

APP = Path(__file__).with_name("app.py")
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def address() -> str:
    """Where the server listens: KINSHIP_DASHBOARDS_ADDRESS, or this machine only."""
    return os.environ.get("KINSHIP_DASHBOARDS_ADDRESS") or "127.0.0.1"


def port() -> int:
    """KINSHIP_DASHBOARDS_PORT, or 8501. Raises `WrongUse` for what is no port."""
    value = os.environ.get("KINSHIP_DASHBOARDS_PORT") or "8501"
    if not value.isdecimal() or not 0 < int(value) < 65536:
        raise WrongUse(f"KINSHIP_DASHBOARDS_PORT must be a port number, got {value!r}")
    return int(value)


def serve() -> None:
    """Serve until interrupted."""
    from streamlit.web.cli import main as streamlit

    options = {
        "server.address": address(),
        "server.port": port(),
        "browser.serverAddress": address(),
        "browser.gatherUsageStats": "false",
    }
    streamlit(["run", str(APP), *(f"--{name}={value}" for name, value in options.items())], standalone_mode=False)
