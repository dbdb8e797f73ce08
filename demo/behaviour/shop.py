"""Accounts and orders in the web shop."""

from itertools import accumulate

from demo.behaviour import mail, support
from demo.behaviour.life import Known, Life
from demo.catalogue import POPULARITY, PRODUCTS
from demo.clock import DAY, HOUR
from demo.dirt import PLACEHOLDER_EMAILS, PLACEHOLDER_PHONES, email_as_typed, names_as_written
from demo.people import own_number
from demo.sources import enrichment, klaviyo
from demo.sources.shopify import Account, Item, Order, currency_of, write_customer, write_order

_CUMULATIVE = tuple(accumulate(POPULARITY))
_CODES = (("WELCOME10", 0.10), ("SPRING15", 0.15), ("FRIENDS20", 0.20))


def sign_up(moment: int, life: Life, known: Known) -> None:
    """An account in the shop. The shop refuses a second one with the same e-mail address; then another one is given."""
    chance, person = life.chance, known.person
    email = known.email if known.email not in life.account_emails else person.email
    if email in life.account_emails:
        email = person.second_email
    if email in life.account_emails:
        return
    life.account_emails.add(email)
    if known.email != life.unit.shared_mailbox:
        known.email = email
    first, last = names_as_written(person, chance, formal=0.85)
    known.accounts += 1
    typed = email.lower() if chance.random() < 0.9 else email_as_typed(email, chance).strip()
    account = Account(
        7_000_000_000_000 + person.index * 10 + known.accounts,
        person,
        typed,
        life.phone(known) if chance.random() < 0.5 else "",
        first,
        last,
        moment,
        has_address=chance.random() < 0.5,
        loyalty_number=person.loyalty_number if chance.random() < 0.45 else "",
    )
    if chance.random() < 0.02:
        account.phone = chance.choice(PLACEHOLDER_PHONES)
    known.account = account
    if known.wants_mail == (chance.random() < 0.95):
        account.email_consent, account.email_consent_at = "subscribed", moment
    if account.phone and known.wants_mail and chance.random() < 0.45:
        account.sms_consent, account.sms_consent_at = "subscribed", moment
    write_customer(life.world, moment, account)
    mail.follow_account(moment, life, known)
    if life.sometimes(0.45) and email not in life.enriched:
        life.enriched.add(email)
        enrichment.write_person(life.world, moment, person, email, chance, life.unit.company)


def sign_up_again(moment: int, life: Life, known: Known) -> None:
    """Someone has forgotten that they have an account, and makes another with another address."""
    if known.account is None or known.person.second_email in life.account_emails:
        return
    known.email = known.person.second_email
    sign_up(moment, life, known)


def place_order(
    moment: int,
    life: Life,
    known: Known,
    items: list[Item],
    *,
    cart_token: str,
    checkout_token: str,
    as_guest: bool,
    landing: str = "/",
    source_name: str = "web",
) -> Order:
    """An order, and what will come of it: dispatch, perhaps a cancellation, a refund, a ticket."""
    chance, person = life.chance, known.person
    account = None if as_guest else known.account
    known.orders += 1
    if account:
        first, last, email, phone = account.first_name, account.last_name, account.email, account.phone
    else:
        first, last = names_as_written(person, chance)
        email, phone = _guest_contact(life, known)
    if not phone and chance.random() < 0.6:
        phone = life.phone(known)
    code, share = chance.choice(_CODES) if chance.random() < 0.14 else ("", 0.0)
    order = Order(
        5_500_000_000_000 + person.index * 1000 + known.orders,
        person,
        account,
        email,
        phone,
        first,
        last,
        moment,
        currency_of(person, moment),
        items,
        checkout_token,
        cart_token,
        discount_code=code,
        discount_share=share,
        source_name=source_name,
        landing_site=landing,
    )
    write_order(life.world, moment, order)
    if account:
        account.spent += order.total
        account.has_address = True
        write_customer(life.world, moment, account)
    if chance.random() < 0.03:
        life.agenda.at(moment + chance.randrange(HOUR, DAY), _cancel, life, order)
        return order
    life.agenda.at(moment + chance.randrange(8 * HOUR, 3 * DAY), _dispatch, life, order)
    if chance.random() < 0.06:
        life.agenda.at(moment + chance.randrange(4 * DAY, 20 * DAY), _refund, life, order)
    roll = chance.random()
    if roll < 0.09:
        topic = (
            "delivery"
            if roll < 0.035
            else "damaged"
            if roll < 0.055
            else "refund"
            if roll < 0.07
            else "invoice"
            if roll < 0.08
            else "praise"
        )
        asks = life.hour((moment // DAY + chance.randint(2, 10)) * DAY)
        life.agenda.at(asks, support.ask, life, known, topic, order)
    return order


def _guest_contact(life: Life, known: Known) -> tuple[str, str]:
    chance = life.chance
    email = life.typed_email(known)
    if life.unit.shared_mailbox and chance.random() < 0.3:
        email = life.unit.shared_mailbox
    elif chance.random() < 0.025:
        email = chance.choice(PLACEHOLDER_EMAILS)
    roll = chance.random()
    if roll < 0.03:
        return email, chance.choice(PLACEHOLDER_PHONES)
    return email, life.phone(known) if roll < 0.7 else ""


def order_unseen(moment: int, life: Life, known: Known) -> None:
    """An order of the time before web behaviour was recorded."""
    chance = life.chance
    items = {}
    for _ in range(1 + int(chance.expovariate(0.6 / known.person.generosity))):
        product = chance.choices(PRODUCTS, cum_weights=_CUMULATIVE)[0]
        items[product.sku] = Item(product, 1 + int(chance.expovariate(1.2 / known.person.generosity)))
    cart, checkout = f"{chance.getrandbits(96):024x}", f"{chance.getrandbits(96):024x}"
    source = "pos" if chance.random() < 0.1 else "web"
    place_order(
        moment,
        life,
        known,
        list(items.values()),
        cart_token=cart,
        checkout_token=checkout,
        as_guest=False,
        source_name=source,
    )


def _cancel(moment: int, life: Life, order: Order) -> None:
    order.cancelled_at, order.cancel_reason = moment, life.one_of(("customer", "inventory", "fraud", "declined"))
    order.financial_status = "voided" if life.sometimes(0.3) else "refunded"
    if order.financial_status == "refunded":
        order.refunds.append((moment, order.total))
    write_order(life.world, moment, order)


def _dispatch(moment: int, life: Life, order: Order) -> None:
    order.fulfillment_status = "fulfilled"
    write_order(life.world, moment, order)


def _refund(moment: int, life: Life, order: Order) -> None:
    share = 1.0 if life.sometimes(0.4) else life.chance.uniform(0.1, 0.8)
    order.refunds.append((moment, max(1, round(order.total * share))))
    order.financial_status = "refunded" if share == 1.0 else "partially_refunded"
    write_order(life.world, moment, order)


def change_email(moment: int, life: Life, known: Known) -> None:
    """A new address. The shop hears of it, the mailing tool mostly, the CRM and support never."""
    if known.email == known.person.second_email or known.person.second_email in life.account_emails:
        return
    known.email = known.person.second_email
    account, profile = known.account, known.profile
    if account:
        account.email = known.email
        life.account_emails.add(known.email)
        write_customer(life.world, moment, account)
        if profile and len(profile.owners) == 1 and life.sometimes(0.7):
            profile.email = known.email
            klaviyo.write_profile(life.world, moment + 60, profile)


def change_phone(moment: int, life: Life, known: Known) -> None:
    """A new number; the old one goes back to the operator and on to somebody else."""
    # beyond every index in use, so that it is nobody else's
    known.mobile = own_number(known.person.index + 5_000_000, known.person.locale)
    if known.account and known.account.phone:
        known.account.phone = life.phone(known)
        write_customer(life.world, moment, known.account)
