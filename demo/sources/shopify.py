"""The web shop's records: customers, orders, abandoned checkouts, products."""

from dataclasses import dataclass, field
from typing import Any

from demo.catalogue import PRODUCTS, RATES, Product
from demo.clock import DAY, date_text, iso
from demo.people import Person
from demo.world import World, to_json

# The shop got a new field on this day of the company's history.
TIER_FROM_DAY = 21
EURO_IN_BULGARIA = 20_454  # 2026-01-01
_CENTS = {
    currency: {product.product_id: round(product.price * rate * 100) for product in PRODUCTS}
    for currency, rate in RATES.items()
}


@dataclass(slots=True)
class Account:
    """A customer record of the shop: as its owner typed it, and what it has come to since."""

    customer_id: int
    person: Person
    email: str
    phone: str
    first_name: str
    last_name: str
    created: int
    has_address: bool
    email_consent: str = "not_subscribed"
    email_consent_at: int = 0
    sms_consent: str = ""
    sms_consent_at: int = 0
    loyalty_number: str = ""
    spent: int = 0


@dataclass(slots=True)
class Item:
    product: Product
    quantity: int


@dataclass(slots=True)
class Order:
    """An order as it stands; amounts are in hundredths of the currency."""

    order_id: int
    person: Person
    account: Account | None
    email: str
    phone: str
    first_name: str
    last_name: str
    created: int
    currency: str
    items: list[Item]
    checkout_token: str
    cart_token: str
    discount_code: str = ""
    discount_share: float = 0.0
    source_name: str = "web"
    landing_site: str = "/"
    referring_site: str = ""
    financial_status: str = "paid"
    fulfillment_status: str | None = None
    cancelled_at: int = 0
    cancel_reason: str | None = None
    refunds: list[tuple[int, int]] = field(default_factory=list)

    @property
    def subtotal(self) -> int:
        return sum(cents(item.product, self.currency) * item.quantity for item in self.items)

    @property
    def discount(self) -> int:
        return round(self.subtotal * self.discount_share)

    @property
    def total(self) -> int:
        return self.subtotal - self.discount


def cents(product: Product, currency: str) -> int:
    """The price in hundredths of the currency."""
    return _CENTS[currency][product.product_id]


def money(amount: int) -> str:
    return f"{amount // 100}.{amount % 100:02d}"


def currency_of(person: Person, moment: int) -> str:
    """Bulgarians paid in BGN until the end of 2025."""
    if person.locale.country_code == "BG" and moment // DAY < EURO_IN_BULGARIA:
        return "BGN"
    return person.locale.currency


def _address(person: Person, first_name: str, last_name: str, phone: str) -> dict[str, Any]:
    return {
        "first_name": first_name,
        "last_name": last_name,
        "address1": person.address.street,
        "city": person.address.place.city,
        "province": None,
        "zip": person.address.postal_code,
        "country": person.locale.country,
        "country_code": person.locale.country_code,
        "phone": phone or None,
    }


def write_customer(world: World, moment: int, account: Account) -> None:
    """The customer as it is now, whole."""
    tags = [f"loyalty:{account.loyalty_number}"] if account.loyalty_number else []
    if account.email_consent == "subscribed":
        tags.append("newsletter")
    record: dict[str, Any] = {
        "id": account.customer_id,
        "email": account.email or None,
        "phone": account.phone or None,
        "first_name": account.first_name,
        "last_name": account.last_name,
        "created_at": iso(account.created),
        "updated_at": iso(moment),
        "state": "enabled",
        "verified_email": True,
        "tags": ", ".join(tags),
        "currency": currency_of(account.person, moment),
        "default_address": _address(account.person, account.first_name, account.last_name, account.phone)
        if account.has_address
        else None,
        "email_marketing_consent": {
            "state": account.email_consent,
            "opt_in_level": "single_opt_in",
            "consent_updated_at": iso(account.email_consent_at) if account.email_consent_at else None,
        },
        "sms_marketing_consent": {
            "state": account.sms_consent,
            "opt_in_level": "single_opt_in",
            "consent_updated_at": iso(account.sms_consent_at),
        }
        if account.sms_consent
        else None,
    }
    if moment // DAY >= world.start + TIER_FROM_DAY:
        record["loyalty_tier"] = "gold" if account.spent > 30_000 else "silver" if account.spent > 8_000 else "bronze"
    world.emit("shopify/customers", moment, record)
    world.see("shopify", f"customers:{account.customer_id}", account.person, moment)


def _line_items(parent: int, items: list[Item], currency: str, share: float) -> list[dict[str, Any]]:
    return [
        {
            "id": parent * 100 + place,
            "product_id": item.product.product_id,
            "sku": item.product.sku,
            "title": item.product.title,
            "quantity": item.quantity,
            "price": money(cents(item.product, currency)),
            "total_discount": money(round(cents(item.product, currency) * item.quantity * share)),
        }
        for place, item in enumerate(items)
    ]


def write_order(world: World, moment: int, order: Order) -> None:
    """The order as it is now, whole; `moment` is when it last changed."""
    address = _address(order.person, order.first_name, order.last_name, order.phone)
    account = order.account
    world.emit(
        "shopify/orders",
        moment,
        {
            "id": order.order_id,
            "name": f"#{order.order_id - 5_500_000_000_000 + 1000}",
            "email": order.email,
            "phone": order.phone or None,
            "created_at": iso(order.created),
            "updated_at": iso(moment),
            "processed_at": iso(order.created),
            "cancelled_at": iso(order.cancelled_at) if order.cancelled_at else None,
            "cancel_reason": order.cancel_reason,
            "currency": order.currency,
            "total_price": money(order.total),
            "subtotal_price": money(order.total),
            "total_tax": money(round(order.total / 6)),
            "total_discounts": money(order.discount),
            "financial_status": order.financial_status,
            "fulfillment_status": order.fulfillment_status,
            "customer": {"id": account.customer_id, "email": account.email} if account else None,
            "billing_address": address,
            "shipping_address": address,
            "line_items": _line_items(order.order_id, order.items, order.currency, order.discount_share),
            "discount_codes": [{"code": order.discount_code, "amount": money(order.discount), "type": "percentage"}]
            if order.discount_code
            else [],
            "refunds": [
                {
                    "id": order.order_id * 10 + place,
                    "created_at": iso(at),
                    "transactions": [{"amount": money(amount), "currency": order.currency, "kind": "refund"}],
                }
                for place, (at, amount) in enumerate(order.refunds)
            ],
            "checkout_token": order.checkout_token,
            "cart_token": order.cart_token,
            "landing_site": order.landing_site,
            "referring_site": order.referring_site,
            "source_name": order.source_name,
        },
    )
    if account is None:
        world.see("shopify", f"orders:{order.order_id}", order.person, moment)


@dataclass(slots=True)
class Checkout:
    """A checkout in which an e-mail address was given and that was not finished (yet)."""

    checkout_id: int
    person: Person
    account: Account | None
    email: str
    phone: str
    created: int
    currency: str
    items: list[Item]
    token: str
    cart_token: str


def write_checkout(world: World, moment: int, checkout: Checkout, completed: int = 0) -> None:
    account = checkout.account
    total = sum(cents(item.product, checkout.currency) * item.quantity for item in checkout.items)
    world.emit(
        "shopify/checkouts",
        moment,
        {
            "id": checkout.checkout_id,
            "token": checkout.token,
            "cart_token": checkout.cart_token,
            "email": checkout.email,
            "phone": checkout.phone or None,
            "created_at": iso(checkout.created),
            "updated_at": iso(moment),
            "completed_at": iso(completed) if completed else None,
            "abandoned_checkout_url": f"https://shop.example/checkouts/{checkout.token}/recover",
            "currency": checkout.currency,
            "total_price": money(total),
            "line_items": _line_items(checkout.checkout_id, checkout.items, checkout.currency, 0.0),
            "customer": {"id": account.customer_id, "email": account.email} if account else None,
        },
    )
    if account is None:
        world.see("shopify", f"checkouts:{checkout.checkout_id}", checkout.person, moment)


def product_lines(start: int) -> list[str]:
    """The catalogue as the shop exports it; `start` is the company's first day."""
    made = f"{date_text(start - 400)}T09:00:00Z"
    return [
        to_json(
            {
                "id": product.product_id,
                "title": product.title,
                "vendor": "Kinship Gifts",
                "product_type": product.category,
                "handle": product.handle,
                "tags": product.category.lower(),
                "created_at": made,
                "updated_at": made,
                "variants": [
                    {"id": product.variant_id, "sku": product.sku, "title": "Default", "price": f"{product.price:.2f}"}
                ],
            }
        )
        + "\n"
        for product in PRODUCTS
    ]
