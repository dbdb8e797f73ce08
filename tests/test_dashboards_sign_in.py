"""Signing in through a real OpenID Connect provider and a real browser: who is on the list sees personal data."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Served, Visit, served, visit
from conftest import KINSHIP, call, environment
from dashboards_house import SIGN_IN, apart, busiest, published_in, tables
from playwright.sync_api import Browser
from ports import free_port
from servers.oidc import Provider

PEOPLE = {
    "steward": {"sub": "1", "email": "Steward@Example.com", "email_verified": True, "name": "Ste Ward"},
    "intern": {"sub": "3", "email": "intern@example.com", "email_verified": True},
}


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider(PEOPLE) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(published: Path, provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Dashboards with a sign-in."""
    folder = tmp_path_factory.mktemp("guarded")
    port = free_port()
    provider.redirect_uris.add(f"http://127.0.0.1:{port}/oauth2callback")
    with served(
        apart(published, folder / "data"), folder / "dashboards.log", port,
        KINSHIP_DASHBOARDS_UNMASKED="steward@example.com", **provider.environment,
    ) as server:  # fmt: skip
        yield server


@pytest.fixture(scope="module")
def person(published: Path) -> tuple[str, str]:
    """A person's id and e-mail address."""
    with tables(published_in(published)) as full:
        one = busiest(full)
        (email,) = full.execute("select email from customers.customers where customer_id = ?", [one]).fetchall()[0]
    return one, str(email)


def sign_in(looking: Visit, path: str, login: str) -> None:
    """Press the button, enter a name at the provider, and come back to a page."""
    looking.open(path)
    assert "personal data masked" in looking.text()
    looking.page.get_by_role("button", name="Sign in").click()
    looking.page.locator("input[name=login]").fill(login)
    looking.page.get_by_role("button", name="Enter").click()
    looking.page.wait_for_url(f"{looking.url}/**")
    looking.settle()
    looking.open(path)


@pytest.mark.parametrize(("login", "sees"), [("steward", True), ("intern", False)])
def test_who_is_on_the_list_sees_personal_data(
    browser: Browser, guarded: Served, person: tuple[str, str], login: str, sees: bool
) -> None:
    customer_id, email = person
    path = f"/customer?q={customer_id}"
    with visit(browser, guarded.url) as looking:
        sign_in(looking, path, login)
        assert (email in looking.text()) is sees
        assert ("personal data shown" in looking.text()) is sees
        if not sees:
            return
        cookies = looking.page.context.cookies()
        for cookie in cookies:
            if cookie["name"].startswith("_streamlit_user"):
                # the signature is over every character: one other, and it is nobody's
                value = cookie["value"]
                middle = len(value) // 3
                changed = "A" if value[middle] != "A" else "B"
                cookie["value"] = value[:middle] + changed + value[middle + 1 :]
        looking.page.context.clear_cookies()
        looking.page.context.add_cookies(cookies)
        looking.open(path)
        assert email not in looking.text() and "personal data masked" in looking.text()


def test_signing_out_ends_it(browser: Browser, guarded: Served, person: tuple[str, str]) -> None:
    customer_id, email = person
    path = f"/customer?q={customer_id}"
    with visit(browser, guarded.url) as looking:
        sign_in(looking, path, "steward")
        assert email in looking.text()
        looking.page.get_by_role("button", name="steward@example.com").click()
        looking.page.get_by_role("button", name="Sign out").click()
        looking.page.get_by_role("button", name="Sign in").wait_for()
        looking.open(path)
        assert email not in looking.text() and "personal data masked" in looking.text()
    log = "".join(path.read_text() for path in guarded.data.glob("access/*.jsonl"))
    assert '"viewer": "Steward@Example.com"' in log and email not in log


def test_no_secret_is_left_in_the_log_or_on_the_disk(guarded: Served, provider: Provider) -> None:
    secrets = [value for name, value in provider.environment.items() if "SECRET" in name]
    assert not [secret for secret in secrets if secret in guarded.log.read_text()]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"KINSHIP_DASHBOARDS_OIDC_CLIENT_SECRET": ""}, "CLIENT_SECRET is not set"),
        ({"KINSHIP_DASHBOARDS_COOKIE_SECRET": "short"}, "32 characters"),
        ({"KINSHIP_DASHBOARDS_URL": "http://kinship.example.com"}, "must begin with https://"),
        ({"KINSHIP_DASHBOARDS_OIDC_METADATA_URL": "http://idp.example.com/x"}, "must begin with https://"),
        ({"KINSHIP_DASHBOARDS_SESSION_HOURS": "0"}, "number of hours"),
        ({"KINSHIP_DASHBOARDS_PORT": "web"}, "port number"),
    ],
)
def test_settings_that_are_not_safe_are_refused(tmp_path: Path, changes: dict[str, str], told: str) -> None:
    done = call(KINSHIP, "dashboards", env=environment(tmp_path, **{**SIGN_IN, **changes}))
    assert done.returncode == 2 and told in done.stderr


def test_a_list_without_a_sign_in_is_refused(tmp_path: Path) -> None:
    done = call(KINSHIP, "dashboards", env=environment(tmp_path, KINSHIP_DASHBOARDS_UNMASKED="ann@example.com"))
    assert done.returncode == 2 and "needs a sign-in" in done.stderr
