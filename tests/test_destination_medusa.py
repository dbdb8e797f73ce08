"""A real Medusa: a segment becomes a customer group, and the group's promotion takes 10 % off a cart."""

from pathlib import Path
from typing import Any

import pytest
from reverse_etl_house import House, run, use
from servers.medusa import Shop, shop

pytestmark = pytest.mark.slow


@pytest.fixture
def medusa(monkeypatch: pytest.MonkeyPatch) -> Shop:
    running = shop()
    running.empty()
    use(monkeypatch, running)
    return running


@pytest.fixture
def house(tmp_path: Path, medusa: Shop) -> House:
    house = House(tmp_path, "sync_medusa__customers", object="customers", mode="mirror", max_change_share=1)
    house.consent([(f"c{n}", "granted") for n in range(20)])
    return house


def members(medusa: Shop) -> dict[str, list[str]]:
    """Addresses by the name of their group."""
    found = medusa.call("GET", "/admin/customers?limit=1000&fields=email,groups.name")["customers"]
    groups: dict[str, list[str]] = {}
    for customer in found:
        for group in customer["groups"]:
            groups.setdefault(group["name"], []).append(customer["email"])
    return {name: sorted(emails) for name, emails in sorted(groups.items())}


def test_segments_become_groups(house: House, medusa: Shop) -> None:
    house.want_lists("first_name", "groups", {1: ["loyal", "vip"], 2: ["loyal"], 3: []})
    assert run(house).added == 3
    assert members(medusa) == {"loyal": ["p1@example.com", "p2@example.com"], "vip": ["p1@example.com"]}
    house.want_lists("first_name", "groups", {1: ["vip"], 2: ["loyal", "vip"], 3: []})
    assert run(house).changed == 2
    assert members(medusa) == {"loyal": ["p2@example.com"], "vip": ["p1@example.com", "p2@example.com"]}
    assert run(house).calls == 0


def test_groups_of_others_are_left_alone(house: House, medusa: Shop) -> None:
    (group,) = [medusa.call("POST", "/admin/customer-groups", {"name": "wholesale"})["customer_group"]["id"]]
    customer = medusa.call("POST", "/admin/customers", {"email": "p1@example.com", "metadata": {"theirs": "1"}})
    medusa.call("POST", f"/admin/customer-groups/{group}/customers", {"add": [customer["customer"]["id"]]})
    house.want_lists("first_name", "groups", {1: ["loyal"]})
    run(house)
    assert set(members(medusa)) == {"loyal", "wholesale"}
    house.want_lists("first_name", "groups", {})
    assert run(house).removed == 1
    assert members(medusa) == {"wholesale": ["p1@example.com"]}
    (kept,) = medusa.call("GET", "/admin/customers?fields=email,metadata")["customers"]
    assert kept["metadata"] == {"theirs": "1"}


def test_a_group_gets_ten_percent_off_its_cart(house: House, medusa: Shop) -> None:
    house.want_lists("first_name", "groups", {1: ["win back"], 2: []})
    run(house)
    call = medusa.call
    (group,) = [g["id"] for g in call("GET", "/admin/customer-groups?fields=id,name")["customer_groups"]]
    region = call("POST", "/admin/regions", {"name": "EU", "currency_code": "eur", "countries": ["fr"]})["region"]
    channel = call("POST", "/admin/sales-channels", {"name": "Web"})["sales_channel"]["id"]
    profile = call("POST", "/admin/shipping-profiles", {"name": "Any", "type": "default"})["shipping_profile"]["id"]
    product = call(
        "POST",
        "/admin/products",
        {
            "title": "Mug", "status": "published", "shipping_profile_id": profile,
            "options": [{"title": "Size", "values": ["One"]}],
            "sales_channels": [{"id": channel}],
            "variants": [
                {
                    "title": "One", "options": {"Size": "One"}, "manage_inventory": False,
                    "prices": [{"amount": 40, "currency_code": "eur"}],
                }
            ],
        },
    )["product"]  # fmt: skip
    call(
        "POST",
        "/admin/promotions",
        {
            "code": "WINBACK10", "type": "standard", "status": "active", "is_automatic": False,
            "application_method": {
                "type": "percentage", "target_type": "items", "allocation": "across", "value": 10,
                "currency_code": "eur",
            },
            "rules": [{"attribute": "customer.groups.id", "operator": "in", "values": [group]}],
        },
    )  # fmt: skip
    key = call("POST", "/admin/api-keys", {"title": "web", "type": "publishable"})["api_key"]
    call("POST", f"/admin/api-keys/{key['id']}/sales-channels", {"add": [channel]})

    def cart(email: str) -> Any:
        body = {
            "region_id": region["id"], "sales_channel_id": channel, "email": email, "promo_codes": ["WINBACK10"],
            "items": [{"variant_id": product["variants"][0]["id"], "quantity": 2}],
        }  # fmt: skip
        headers = {"x-publishable-api-key": key["token"]}
        made = call("POST", "/store/carts", body, **headers)["cart"]
        return call("POST", f"/store/carts/{made['id']}/promotions", {"promo_codes": ["WINBACK10"]}, **headers)["cart"]

    assert cart("p1@example.com")["total"] == 72
    assert cart("p2@example.com")["total"] == 80
