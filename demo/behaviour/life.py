"""The state of one household or company while it is simulated, and how its story starts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from demo.agenda import Agenda
from demo.clock import DAY, HOUR
from demo.dirt import email_as_typed, phone_as_typed
from demo.people import Person, Unit
from demo.sources.klaviyo import Profile
from demo.sources.segment import Device, new_device
from demo.sources.shopify import Account
from demo.sources.vtiger import Contact
from demo.sources.zendesk import Requester
from demo.world import World

# Visits by hour of the day: few at night, most in the evening.
_HOURS = (1, 1, 0.5, 0.5, 0.5, 1, 2, 4, 6, 7, 8, 8, 9, 8, 7, 7, 7, 8, 10, 12, 13, 12, 8, 4)


@dataclass(slots=True)
class Known:
    """A person and all that the systems hold about them."""

    person: Person
    email: str
    mobile: str
    lapses: int
    """When a lapsing customer stops coming."""
    wants_mail: bool
    """What they say when asked for consent; what the systems note may differ."""
    devices: list[Device] = field(default_factory=list)
    account: Account | None = None
    accounts: int = 0
    profile: Profile | None = None
    requester: Requester | None = None
    contact: Contact | None = None
    orders: int = 0
    checkouts: int = 0
    invoices: int = 0
    tickets: int = 0
    calls: int = 0
    favourite: int = 0


class Life:
    """One unit's story. All chance comes from one stream, drawn in order of time."""

    def __init__(self, world: World, unit: Unit, visit: Callable[..., None]) -> None:
        # handed in, because mails lead to visits and visits to mails
        self.visit = visit
        self.world = world
        self.unit = unit
        self.chance: Random = world.chance("life", unit.index)
        self.agenda = Agenda()
        self.profiles: dict[str, Profile] = {}
        self.profile_events: dict[str, int] = {}
        self.requesters: dict[str, Requester] = {}
        self.enrolled: set[tuple[str, str]] = set()
        self.account_emails: set[str] = set()
        self.enriched: set[str] = set()
        self.tablet: Device | None = None
        self.members = [self._known(person) for person in unit.members]
        if unit.has_tablet:
            self.tablet = new_device(world.opening, unit.locale.tag, self.chance, is_shared=True, keeps_days=400)

    def _known(self, person: Person) -> Known:
        lapses = (1 << 40) if person.kind != "lapsing" else self.world.opening + self.chance.randint(-60, 75) * DAY
        email = person.email
        if self.unit.shared_mailbox and not self.unit.company:
            # the couple's mailbox; their children have their own
            is_couple = person in self.unit.members[:2]
            if self.chance.random() < (0.75 if is_couple else 0.1):
                email = self.unit.shared_mailbox
        wants_mail = self.chance.random() < person.opt_in
        return Known(person, email, person.mobile, lapses, wants_mail, favourite=self.chance.randrange(1 << 16))

    def arrival(self, known: Known) -> int:
        """The moment at which someone first hears of the company."""
        return self.world.opening + known.person.arrives * DAY + self.chance.randrange(7 * HOUR, 22 * HOUR)

    def hour(self, day_start: int) -> int:
        """A moment of the day at which people are awake."""
        return day_start + self.chance.choices(range(24), _HOURS)[0] * HOUR + self.chance.randrange(HOUR)

    def later(self, moment: int, mean_days: float) -> int:
        """A waking moment about `mean_days` after `moment`."""
        then = moment + int(self.chance.expovariate(1 / (mean_days * DAY)))
        awake = self.hour(then // DAY * DAY)
        return awake if awake > moment else moment + HOUR + self.chance.randrange(HOUR)

    def phone(self, known: Known) -> str:
        """A phone number as this person gives it: mostly their own, sometimes the one at home."""
        if self.unit.landline and not self.unit.company and self.chance.random() < 0.07:
            return phone_as_typed(known.person.locale, self.unit.landline, self.chance)
        return phone_as_typed(known.person.locale, known.mobile, self.chance)

    def typed_email(self, known: Known) -> str:
        return email_as_typed(known.email, self.chance)

    def sometimes(self, share: float) -> bool:
        return self.chance.random() < share

    def one_of(self, values: Sequence[str]) -> str:
        return self.chance.choice(values)
