"""Starts the server of the dashboards, with what the environment says (docs/dashboards.md)."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from dashboards.logs import name_errors_only
from dashboards.signin import LOOPBACK, Place, SignIn

APP = Path(__file__).with_name("app.py")


def serve() -> None:
    """Serve until interrupted. Raises `WrongUse` for settings that are wrong or not safe."""
    place = Place.from_environment()
    sign_in = SignIn.from_environment(place)
    if sign_in is None and not place.is_loopback:
        print(
            f"kinship: the dashboards listen at {place.address} without a sign-in: everybody who reaches this machine"
            " sees the figures and the masked tables. docs/dashboards.md says how to ask for a sign-in.",
            file=sys.stderr,
        )
    name_errors_only()
    from streamlit.web.cli import main as streamlit

    options = [
        f"--server.address={place.address}",
        f"--server.port={place.port}",
        f"--browser.serverAddress={place.host}",
        "--browser.gatherUsageStats=false",
        # a page of another name that resolves to this machine is refused
        *(f"--server.allowedHosts={host}" for host in dict.fromkeys((*LOOPBACK, place.address, place.host))),
    ]
    with TemporaryDirectory(prefix="kinship-dashboards-") as private:
        secrets = Path(private) / "secrets.toml"
        if sign_in is not None:
            sign_in.write(secrets, place)
        # no file of the user's or the project's either: a sign-in comes from the environment alone
        streamlit(["run", str(APP), f"--secrets.files={secrets}", *options], standalone_mode=False)
