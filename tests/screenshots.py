"""`make screenshots`: the pictures that the README shows, of the published demo in a real browser.

python tests/screenshots.py
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from browser import ROOT, chromium, served, visit

from kinship.settings import settings

PICTURES = {"overview": "/", "journeys": "/journeys"}


def main() -> None:
    """Open each page in a laptop's window, light, and write docs/<page>.png."""
    with TemporaryDirectory() as logs, chromium() as browser, served(settings().state, Path(logs) / "log") as server:
        for name, path in PICTURES.items():
            with visit(browser, server.url) as looking:
                looking.open(path)
                looking.page.wait_for_timeout(2_000)  # charts grow into their place
                looking.page.screenshot(path=ROOT / "docs" / f"{name}.png")
                print(f"docs/{name}.png")


if __name__ == "__main__":
    main()
