"""Visits to the web shop and the app."""

from itertools import accumulate

from demo.behaviour import mail, shop, support
from demo.behaviour.life import Known, Life
from demo.catalogue import POPULARITY, PRODUCTS, Product
from demo.clock import DAY, HOUR, MINUTE
from demo.sources.ads import CAMPAIGNS
from demo.sources.segment import Device, Visit, new_device
from demo.sources.shopify import Account, Checkout, Item, cents, currency_of, money, write_checkout
from demo.world import to_json

_CUMULATIVE = tuple(accumulate(POPULARITY))
_BY_CATEGORY: dict[str, list[Product]] = {}
for _product in PRODUCTS:
    _BY_CATEGORY.setdefault(_product.category, []).append(_product)
_CATEGORIES = tuple(_BY_CATEGORY)
_TITLES = {product.sku: to_json(product.title) for product in PRODUCTS}

# Shares of visits with a cart, and of carts that are bought.
_CART = {
    "visitor": 0.07,
    "subscriber": 0.09,
    "guest": 0.34,
    "shopper": 0.32,
    "loyal": 0.36,
    "lapsing": 0.38,
    "till": 0.06,
    "business": 0.28,
}
_BUY = {
    "visitor": 0.0,
    "subscriber": 0.08,
    "guest": 0.5,
    "shopper": 0.5,
    "loyal": 0.62,
    "lapsing": 0.6,
    "till": 0.1,
    "business": 0.5,
}
_SIGN_UP = {"shopper": 0.2, "loyal": 0.45, "lapsing": 0.45, "business": 0.25, "subscriber": 0.05}
_NEWSLETTER = {"subscriber": 0.45, "shopper": 0.05, "loyal": 0.06, "guest": 0.06, "visitor": 0.004, "business": 0.04}
_REFERRERS = (
    "",
    "",
    "https://search.example/",
    "https://www.search.example/",
    "https://social.example/",
    "https://blog.example/gift-guide",
)


def plan_visit(moment: int, life: Life, known: Known) -> None:
    """Put the next visit on the agenda, by how often this person comes."""
    rate = known.person.sessions_a_day
    if moment > known.lapses:
        rate *= 0.02
    life.agenda.at(life.later(moment, 1 / rate), _come, life, known)


def _come(moment: int, life: Life, known: Known) -> None:
    visit(moment, life, known)
    plan_visit(moment, life, known)


def _device(moment: int, life: Life, known: Known) -> Device:
    chance = life.chance
    tag = known.person.locale.tag
    if life.tablet and chance.random() < 0.3:
        return life.tablet
    devices = known.devices
    if not devices or (len(devices) < 3 and chance.random() < 0.06):
        device = new_device(moment, tag, chance)
        devices.append(device)
        return device
    place = 0 if chance.random() < 0.65 else chance.randrange(len(devices))
    if moment > devices[place].rotates:
        devices[place] = new_device(moment, tag, chance)
    return devices[place]


def _campaign(life: Life, mail_campaign: str) -> tuple[str, str]:
    """The campaign in the link (as JSON members of the context) and the referrer."""
    if mail_campaign:
        return f'"campaign":{{"name":"{mail_campaign}","source":"klaviyo","medium":"email"}},', ""
    roll = life.chance.random()
    for channel, campaign, medium, share, _ in CAMPAIGNS:
        roll -= share
        if roll < 0:
            return (
                f'"campaign":{{"name":"{campaign}","source":"{channel}","medium":"{medium}"}},',
                f"https://{channel}.example/",
            )
    return "", life.one_of(_REFERRERS)


def _delay(life: Life, device: Device) -> int:
    """Seconds until the collector has it: a phone without network sends days later."""
    roll = life.chance.random()
    if roll < (0.03 if device.is_app else 0.004):
        return life.chance.randint(1, 3) * DAY + life.chance.randrange(-4 * HOUR, 4 * HOUR)
    return life.chance.randrange(30 * MINUTE) if roll < 0.03 else life.chance.randrange(3)


def visit(moment: int, life: Life, known: Known, mail_campaign: str = "") -> None:
    """One visit: pages, products, perhaps a log-in, a sign-up, a cart, an order."""
    chance, world = life.chance, life.world
    person, kind = known.person, known.person.kind
    device = _device(moment, life, known)
    campaign, referrer = _campaign(life, mail_campaign)
    session = Visit(world, device, moment, _delay(life, device), campaign, referrer, chance)
    world.see("segment", f"anonymous:{device.anonymous_id}", person, session.arrival)
    if chance.random() < 0.5:
        session.page("Home", "/")
        session.wait(15)
    _log_in(session, life, known)

    favourite = _BY_CATEGORY[_CATEGORIES[known.favourite % len(_CATEGORIES)]]
    seen: list[Product] = []
    for _ in range(1 + int(chance.expovariate(0.6))):
        product = (
            chance.choice(favourite) if chance.random() < 0.4 else chance.choices(PRODUCTS, cum_weights=_CUMULATIVE)[0]
        )
        seen.append(product)
        path = f"/products/{product.handle}"
        if chance.random() < 0.3:
            session.page("Product", path)
            session.wait(3)
        session.track("Product Viewed", path, _product_members(product, currency_of(person, moment)))
        session.wait(45)
    if known.account is None and chance.random() < _SIGN_UP.get(kind, 0.0):
        _sign_up(session, life, known)
    if (known.profile is None or known.profile.consent == "NEVER_SUBSCRIBED") and chance.random() < _NEWSLETTER.get(
        kind, 0.0
    ):
        _newsletter(session, life, known)
    if chance.random() < _CART[kind]:
        _cart(session, life, known, seen)
    elif chance.random() < 0.01:
        topic = "login" if known.account else "question"
        life.agenda.at(session.moment + chance.randrange(5 * MINUTE, 5 * HOUR), support.ask, life, known, topic, None)


def _product_members(product: Product, currency: str, quantity: int = 0) -> str:
    amount = f',"quantity":{quantity}' if quantity else ""
    price = money(cents(product, currency))
    name = _TITLES[product.sku]
    return f'"product_id":"{product.product_id}","name":{name},"price":{price}{amount},"currency":"{currency}"'


def _traits(account: Account) -> dict[str, str]:
    traits = {"email": account.email, "first_name": account.first_name, "last_name": account.last_name}
    if account.phone:
        traits["phone"] = account.phone
    return traits


def _log_in(session: Visit, life: Life, known: Known) -> None:
    chance, device = life.chance, session.device
    account = known.account
    if device.user_id and (account is None or device.user_id != account.customer_id):
        # somebody else is still logged in on the family's tablet; one visit in four goes on under the wrong name
        if chance.random() < 0.25:
            return
        device.user_id = 0
    if account is None:
        return
    if device.user_id:
        if chance.random() < 0.15:
            device.user_id = 0
        return
    if chance.random() < 0.55:
        session.wait(20)
        device.user_id = account.customer_id
        session.track("Logged In", "/account/login")
        session.identify(_traits(account))
        life.world.see("segment", f"user:{account.customer_id}", known.person, session.arrival)


def _sign_up(session: Visit, life: Life, known: Known) -> None:
    session.wait(60)
    shop.sign_up(session.moment, life, known)
    account = known.account
    if account is None:
        return
    session.device.user_id = account.customer_id
    session.track("Signed Up", "/account/register")
    session.identify(_traits(account))
    life.world.see("segment", f"user:{account.customer_id}", known.person, session.arrival)


def _newsletter(session: Visit, life: Life, known: Known) -> None:
    session.wait(20)
    email = known.account.email if known.account else life.typed_email(known)
    if life.unit.shared_mailbox and life.sometimes(0.4):
        email = life.unit.shared_mailbox
    session.track("Newsletter Subscribed", "/newsletter", f'"list":"newsletter","email":{to_json(email)}')
    traits = {"email": email}
    if life.sometimes(0.4):
        traits["first_name"] = known.person.nickname
    session.identify(traits)
    mail.subscribe(session.moment, life, known, email)


def _cart(session: Visit, life: Life, known: Known, seen: list[Product]) -> None:
    chance, person = life.chance, known.person
    currency = currency_of(person, session.moment)
    cart_token = f"{chance.getrandbits(96):024x}"
    wanted = min(1 + int(chance.expovariate(0.7 / person.generosity)), 12)
    items: dict[str, Item] = {}
    for place in range(wanted):
        product = seen[-1 - place] if place < len(seen) else chance.choices(PRODUCTS, cum_weights=_CUMULATIVE)[0]
        quantity = (
            1 + int(chance.expovariate(1.2 / person.generosity))
            if person.kind != "business"
            else chance.choice((6, 12, 24, 48))
        )
        if product.sku in items:
            continue
        items[product.sku] = Item(product, quantity)
        members = f'"cart_id":"{cart_token}",{_product_members(product, currency, quantity)}'
        session.track("Product Added", f"/products/{product.handle}", members)
        session.wait(40)
    total = money(sum(cents(item.product, currency) * item.quantity for item in items.values()))
    if chance.random() < 0.7:
        session.track("Cart Viewed", "/cart", f'"cart_id":"{cart_token}","total":{total},"currency":"{currency}"')
        session.wait(30)
    buys = chance.random() < _BUY[person.kind]
    if not buys and chance.random() < 0.4:
        return
    checkout_token = f"{chance.getrandbits(96):024x}"
    session.track(
        "Checkout Started",
        "/checkout",
        f'"cart_id":"{cart_token}","checkout_id":"{checkout_token}","total":{total},"currency":"{currency}"',
    )
    session.wait(90)
    basket = list(items.values())
    if buys:
        _buy(session, life, known, basket, cart_token, checkout_token, from_app=session.device.is_app)
    elif chance.random() < 0.65:
        _abandon(session, life, known, basket, cart_token, checkout_token)


def _buy(
    session: Visit, life: Life, known: Known, items: list[Item], cart_token: str, checkout_token: str, *, from_app: bool
) -> None:
    chance, person = life.chance, known.person
    if known.account is None and person.kind != "guest" and chance.random() < 0.8:
        _sign_up(session, life, known)
    as_guest = known.account is None or chance.random() < 0.04
    landing = "/app" if from_app else life.one_of(("/", "/collections/all", "/collections/new"))
    order = shop.place_order(
        session.moment,
        life,
        known,
        items,
        cart_token=cart_token,
        checkout_token=checkout_token,
        as_guest=as_guest,
        landing=landing,
    )
    session.track(
        "Order Completed",
        "/checkout/thank_you",
        f'"order_id":"{order.order_id}","cart_id":"{cart_token}","checkout_id":"{checkout_token}","revenue":{money(order.total)},'
        f'"total":{money(order.total)},"currency":"{order.currency}"',
    )
    if as_guest and chance.random() < 0.6:
        session.identify({"email": order.email, "first_name": order.first_name, "last_name": order.last_name})


def _abandon(session: Visit, life: Life, known: Known, items: list[Item], cart_token: str, checkout_token: str) -> None:
    chance, person = life.chance, known.person
    known.checkouts += 1
    account = known.account
    checkout = Checkout(
        30_000_000_000_000 + person.index * 1000 + known.checkouts,
        person,
        account,
        account.email if account else life.typed_email(known),
        account.phone if account else (life.phone(known) if chance.random() < 0.4 else ""),
        session.moment,
        currency_of(person, session.moment),
        items,
        checkout_token,
        cart_token,
    )
    write_checkout(life.world, session.moment, checkout)
    back = session.moment + chance.randrange(2 * HOUR, 30 * HOUR)
    mail.remind_of_cart(session.moment + 4 * HOUR, life, known)
    if chance.random() < 0.15 and person.kind != "visitor":
        life.agenda.at(back, _recover, life, known, checkout)


def _recover(moment: int, life: Life, known: Known, checkout: Checkout) -> None:
    """The cart is bought after all, from the link in the reminder."""
    write_checkout(life.world, moment, checkout, completed=moment)
    shop.place_order(
        moment,
        life,
        known,
        checkout.items,
        cart_token=checkout.cart_token,
        checkout_token=checkout.token,
        as_guest=checkout.account is None,
        landing=f"/checkouts/{checkout.token}/recover",
    )
