"""A real Ghost: labels that are ours alone, and nobody put back on a newsletter."""

from pathlib import Path
from typing import Any

import pytest
from reverse_etl_house import House, run, use
from servers.ghost import Newsletter, newsletter

from reverse_etl import ConfigurationError

pytestmark = pytest.mark.slow


@pytest.fixture
def ghost(monkeypatch: pytest.MonkeyPatch) -> Newsletter:
    running = newsletter()
    running.empty()
    use(monkeypatch, running)
    return running


@pytest.fixture
def house(tmp_path: Path, ghost: Newsletter) -> House:
    house = House(tmp_path, "sync_ghost__members", object="members", mode="mirror", channel="email", max_change_share=1)
    house.consent([(f"c{n}", "granted") for n in range(20)])
    return house


def labels(ghost: Newsletter) -> dict[str, list[str]]:
    return {member["email"]: sorted(label["name"] for label in member["labels"]) for member in ghost.members()}


def test_segments_become_labels(house: House, ghost: Newsletter) -> None:
    house.want_lists("name", "labels", {1: ["loyal", "vip"], 2: []})
    assert run(house).added == 2
    assert labels(ghost) == {"p1@example.com": ["kinship: loyal", "kinship: vip"], "p2@example.com": []}
    house.want_lists("name", "labels", {1: ["vip"], 2: ["vip"]})
    run(house)
    assert labels(ghost) == {"p1@example.com": ["kinship: vip"], "p2@example.com": ["kinship: vip"]}
    assert all(member["newsletters"] == [] for member in ghost.members()), "nobody is subscribed by us unasked"


def test_labels_of_others_are_left_alone(house: House, ghost: Newsletter) -> None:
    body: dict[str, Any] = {"email": "p1@example.com", "labels": [{"name": "friend"}]}
    ghost.call("POST", "members/", {"members": [body]})
    house.want_lists("name", "labels", {1: ["loyal"]})
    run(house)
    assert labels(ghost) == {"p1@example.com": ["friend", "kinship: loyal"]}
    house.want_lists("name", "labels", {})
    run(house)
    assert labels(ghost) == {"p1@example.com": ["friend"]}


def test_a_newsletter_is_joined_by_new_members_and_rejoined_by_none(house: House, ghost: Newsletter) -> None:
    (letter,) = ghost.call("GET", "newsletters/")["newsletters"]
    house.reload(options={"newsletter": letter["slug"]})
    house.want_lists("name", "labels", {1: ["loyal"]})
    run(house)
    (member,) = ghost.members()
    assert [joined["name"] for joined in member["newsletters"]] == [letter["name"]]
    ghost.call("PUT", f"members/{member['id']}/", {"members": [{"newsletters": []}]})
    house.want_lists("name", "labels", {1: ["vip"]})
    run(house)
    assert ghost.members() == [], "whom the sync made, it takes back with the consent"
    house.want_lists("name", "labels", {1: ["loyal"]})
    run(house)
    assert ghost.members() == []


def test_a_newsletter_that_does_not_exist_is_named(house: House, ghost: Newsletter) -> None:
    house.reload(options={"newsletter": "weekly"})
    house.want_lists("name", "labels", {1: []})
    with pytest.raises(ConfigurationError, match="ghost has no newsletter 'weekly'"):
        run(house)
