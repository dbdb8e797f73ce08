"""Support: users, tickets, comments and ratings."""

from dataclasses import dataclass

from demo.clock import iso
from demo.people import Person
from demo.world import World

AGENTS = tuple(
    (900_000_000_001 + place, name)
    for place, name in enumerate(("Ada Novak", "Ben Osei", "Chiara Riva", "Dimo Lazarov"))
)


@dataclass(slots=True)
class Requester:
    user_id: int
    person: Person
    name: str
    email: str
    phone: str
    created: int
    external_id: int = 0


def write_user(world: World, moment: int, user: Requester) -> None:
    world.emit(
        "zendesk/users",
        moment,
        {
            "id": user.user_id,
            "name": user.name,
            "email": user.email or None,
            "phone": user.phone or None,
            "role": "end-user",
            "locale": user.person.locale.tag,
            "time_zone": user.person.locale.time_zone,
            "external_id": str(user.external_id) if user.external_id else None,
            "created_at": iso(user.created),
            "updated_at": iso(moment),
        },
    )
    world.see("zendesk", f"users:{user.user_id}", user.person, moment)


def write_agents(world: World) -> None:
    for agent_id, name in AGENTS:
        world.truth.see_agent("zendesk", f"users:{agent_id}", f"a{agent_id % 1000:07d}")
        world.emit(
            "zendesk/users",
            world.opening,
            {
                "id": agent_id,
                "name": name,
                "email": f"{name.split()[0].lower()}@support.kinship.example",
                "phone": None,
                "role": "agent",
                "locale": "en-GB",
                "time_zone": "Europe/London",
                "external_id": None,
                "created_at": iso(world.opening - 300 * 86_400),
                "updated_at": iso(world.opening),
            },
        )


@dataclass(slots=True)
class Ticket:
    ticket_id: int
    requester: Requester
    subject: str
    description: str
    priority: str
    kind: str
    tags: list[str]
    channel: str
    assignee: int
    created: int
    status: str = "new"


def write_ticket(world: World, moment: int, ticket: Ticket) -> None:
    world.emit(
        "zendesk/tickets",
        moment,
        {
            "id": ticket.ticket_id,
            "subject": ticket.subject,
            "description": ticket.description,
            "status": ticket.status,
            "priority": ticket.priority,
            "type": ticket.kind,
            "requester_id": ticket.requester.user_id,
            "assignee_id": ticket.assignee,
            "tags": ticket.tags,
            "via": {"channel": ticket.channel},
            "created_at": iso(ticket.created),
            "updated_at": iso(moment),
        },
    )


def write_comment(
    world: World, moment: int, ticket: Ticket, number: int, author: int, body: str, *, public: bool = True
) -> None:
    world.emit(
        "zendesk/comments",
        moment,
        {
            "id": ticket.ticket_id * 100 + number,
            "ticket_id": ticket.ticket_id,
            "author_id": author,
            "body": body,
            "public": public,
            "created_at": iso(moment),
        },
    )


def write_rating(world: World, moment: int, ticket: Ticket, score: str, comment: str) -> None:
    world.emit(
        "zendesk/satisfaction_ratings",
        moment,
        {
            "id": ticket.ticket_id * 100 + 99,
            "ticket_id": ticket.ticket_id,
            "requester_id": ticket.requester.user_id,
            "score": score,
            "comment": comment or None,
            "created_at": iso(moment),
            "updated_at": iso(moment),
        },
    )
