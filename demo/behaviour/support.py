"""Tickets: someone asks, an agent answers, it goes back and forth, and sometimes there is a rating."""

from demo import texts
from demo.behaviour.life import Known, Life
from demo.catalogue import PRODUCTS
from demo.clock import DAY, HOUR, MINUTE
from demo.dirt import PLACEHOLDER_EMAILS, names_as_written
from demo.sources import zendesk
from demo.sources.shopify import Order
from demo.sources.zendesk import AGENTS, Requester, Ticket

_KINDS = {"delivery": "incident", "damaged": "problem", "refund": "task", "login": "incident", "invoice": "task"}


def _requester(moment: int, life: Life, known: Known, channel: str) -> Requester:
    """Support makes a user of every address that writes: two people with one mailbox are one user there."""
    chance, person = life.chance, known.person
    if known.requester:
        return known.requester
    first, last = names_as_written(person, chance, formal=0.6)
    name = f"{first} {last}" if chance.random() < 0.85 else first
    email = life.typed_email(known).strip()
    if chance.random() < 0.12:
        email = person.second_email
    elif chance.random() < 0.015:
        email = chance.choice(PLACEHOLDER_EMAILS)
    if email and email.lower() in life.requesters:
        known.requester = life.requesters[email.lower()]
        life.world.see("zendesk", f"users:{known.requester.user_id}", person, moment)
        return known.requester
    phone = life.phone(known) if channel == "voice" or chance.random() < 0.2 else ""
    if channel == "voice" and chance.random() < 0.6:
        email = ""
    user = Requester(360_000_000_000 + person.index * 10, person, name, email, phone, moment)
    if known.account and email and chance.random() < 0.3:
        user.external_id = known.account.customer_id
    known.requester = user
    if user.email:
        life.requesters[user.email.lower()] = user
    zendesk.write_user(life.world, moment, user)
    return user


def ask(moment: int, life: Life, known: Known, topic: str, order: Order | None) -> None:
    """A new ticket; its later life goes on the agenda."""
    chance, person = life.chance, known.person
    channel = chance.choices(("email", "web", "chat", "voice"), (50, 30, 12, 8))[0]
    user = _requester(moment, life, known, channel)
    product = (chance.choice(order.items).product if order else chance.choice(PRODUCTS)).title
    number = f"#{order.order_id - 5_500_000_000_000 + 1000}" if order else f"#{1000 + chance.randrange(90_000)}"
    urgent = topic != "praise" and chance.random() < 0.18
    subject, body = texts.message(topic, person.language, number, product, person.given.native, chance, urgent=urgent)
    known.tickets += 1
    ticket = Ticket(
        4_000_000 + person.index * 40 + known.tickets,
        user,
        subject,
        body,
        "urgent" if urgent else chance.choice(("low", "normal", "normal", "high")),
        _KINDS.get(topic, "question"),
        [topic, person.language] + (["vip"] if person.kind == "loyal" else []),
        channel,
        chance.choice(AGENTS)[0],
        moment,
    )
    zendesk.write_ticket(life.world, moment, ticket)
    zendesk.write_comment(life.world, moment, ticket, 1, user.user_id, body)
    life.agenda.at(moment + chance.randrange(20 * MINUTE, 30 * HOUR), _answer, life, known, ticket, 2)


def _answer(moment: int, life: Life, known: Known, ticket: Ticket, number: int) -> None:
    chance = life.chance
    if chance.random() < 0.1:
        zendesk.write_comment(
            life.world, moment - 60, ticket, number, ticket.assignee, chance.choice(texts.NOTES), public=False
        )
        number += 1
    zendesk.write_comment(life.world, moment, ticket, number, ticket.assignee, chance.choice(texts.ANSWERS))
    if chance.random() < 0.35 and number < 12:
        ticket.status = "pending"
        zendesk.write_ticket(life.world, moment, ticket)
        life.agenda.at(life.later(moment, 1), _write_again, life, known, ticket, number + 1)
        return
    ticket.status = "solved"
    zendesk.write_ticket(life.world, moment, ticket)
    life.agenda.at(moment + 4 * DAY, _close, life, known, ticket)


def _write_again(moment: int, life: Life, known: Known, ticket: Ticket, number: int) -> None:
    body = life.one_of(texts.MORE[known.person.language])
    ticket.status = "open"
    zendesk.write_ticket(life.world, moment, ticket)
    zendesk.write_comment(life.world, moment, ticket, number, ticket.requester.user_id, body)
    life.agenda.at(moment + life.chance.randrange(20 * MINUTE, 20 * HOUR), _answer, life, known, ticket, number + 1)


def _close(moment: int, life: Life, known: Known, ticket: Ticket) -> None:
    ticket.status = "closed"
    zendesk.write_ticket(life.world, moment, ticket)
    if life.sometimes(0.35):
        score = "good" if life.sometimes(0.8) else "bad"
        comment = life.one_of(texts.MORE[known.person.language]) if life.sometimes(0.3) else ""
        zendesk.write_rating(life.world, moment + HOUR, ticket, score, comment)
