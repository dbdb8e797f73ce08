"""The dashboards in a real browser: a server on a free port, and Debian's Chromium, driven without a window.

A `Visit` records every request and every error of the console.
"""

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from conftest import KINSHIP, ROOT, environment
from playwright.sync_api import Browser, Page, sync_playwright
from ports import free_port

SCREENSHOTS = ROOT / "target" / "screenshots"
LAPTOP, PHONE = (1366, 850), (390, 844)

# At a deep link Streamlit's page asks below that path first whether the server is there: the one 404 that is no error.
_PROBE = re.compile(r"/[a-z]+/_stcore/(health|host-config)$")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A Chromium without a window; skips the test where there is none."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no Chromium here (apt-get install chromium)")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield started
        finally:
            started.close()


@dataclass(frozen=True)
class Served:
    """Dashboards under way."""

    url: str
    data: Path
    log: Path


@contextmanager
def served(data: Path, log: Path, port: int | None = None, **settings: str) -> Iterator[Served]:
    """`kinship dashboards` over a data folder, with these settings; ended with the block."""
    port = port or free_port()
    env = environment(data, KINSHIP_DASHBOARDS_PORT=str(port), **settings)
    with log.open("wb") as output:
        server = subprocess.Popen([KINSHIP, "dashboards"], env=env, cwd=ROOT, stdout=output, stderr=output)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, server, log)
        yield Served(url, data, log)
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        if server.poll() is not None:
            raise AssertionError(f"kinship dashboards ended with {server.returncode}: {log.read_text()[-2000:]}")
        try:
            with urlopen(f"{url}/_stcore/health", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"kinship dashboards does not answer: {log.read_text()[-2000:]}")


@dataclass
class Visit:
    """One browser session, with all that its pages asked for and complained of."""

    page: Page
    url: str
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        """Go to a path, and wait until the page is there and at rest."""
        self.page.goto(self.url + path)
        self.settle()

    def settle(self) -> None:
        """Wait until the script has run and everything it sent is drawn."""
        self.page.locator(".stApp[data-test-script-state=notRunning]").wait_for(timeout=60_000)
        self.page.locator("h1").first.wait_for(timeout=60_000)
        self.page.locator("[data-testid=stSkeleton]").first.wait_for(state="detached", timeout=60_000)

    def find(self, text: str) -> None:
        """Type into the search box of the customer page, and press Enter."""
        box = self.page.get_by_label("Find a person")
        box.fill(text)
        box.press("Enter")
        self.page.wait_for_timeout(300)
        self.settle()

    def text(self) -> str:
        """What the page says, but for tables, which are drawn."""
        return str(self.page.locator(".stMain").inner_text())

    def screenshot(self, name: str) -> Path:
        """A picture of the whole page below target/screenshots."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        self.page.screenshot(path=path)
        return path

    def strangers(self) -> list[str]:
        """Requests that did not go to this machine."""
        return [url for url in self.requests if urlsplit(url).hostname not in ("127.0.0.1", None)]


@contextmanager
def visit(browser: Browser, url: str, size: tuple[int, int] = LAPTOP, scheme: Any = "light") -> Iterator[Visit]:
    """A fresh session: no cookies, a window of this size, light or dark."""
    width, height = size
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    context.set_default_timeout(60_000)
    page = context.new_page()
    visited = Visit(page, url)
    context.on("request", lambda request: visited.requests.append(request.url))
    context.on("console", lambda said: visited.errors.append(said.text) if _is_error(said) else None)
    page.on("pageerror", lambda error: visited.errors.append(str(error)))
    try:
        yield visited
    finally:
        context.close()


def _is_error(said: Any) -> bool:
    return said.type == "error" and not _PROBE.search(urlsplit(said.location.get("url", "")).path)
