"""E-mail and SMS marketing: profiles, and what happened to each message."""

import hashlib
from dataclasses import dataclass, field

from demo.clock import iso
from demo.people import Person
from demo.world import World, to_json

METRICS = (
    "Received Email",
    "Opened Email",
    "Clicked Email",
    "Replied to Email",
    "Bounced Email",
    "Unsubscribed",
    "Marked Email as Spam",
    "Received SMS",
    "Clicked SMS",
    "Unsubscribed from SMS",
)
METRIC_IDS = {name: hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()[:6].upper() for name in METRICS}


@dataclass(slots=True)
class Profile:
    """A mailbox as the mailing tool knows it; two people may share one."""

    profile_id: str
    person: Person
    email: str
    phone: str
    first_name: str
    last_name: str
    created: int
    external_id: int = 0
    loyalty_number: str = ""
    consent: str = "NEVER_SUBSCRIBED"
    consent_at: int = 0
    sms_consent: str = "NEVER_SUBSCRIBED"
    sms_consent_at: int = 0
    owners: list[Person] = field(default_factory=list)


def profile_id(seed: int, index: int, number: int) -> str:
    return "01K" + hashlib.md5(f"{seed}/{index}/{number}".encode(), usedforsecurity=False).hexdigest()[:23].upper()


def write_profile(world: World, moment: int, profile: Profile) -> None:
    person = profile.person
    world.emit(
        "klaviyo/profiles",
        moment,
        {
            "id": profile.profile_id,
            "type": "profile",
            "attributes": {
                "email": profile.email,
                "phone_number": profile.phone or None,
                "external_id": str(profile.external_id) if profile.external_id else None,
                "first_name": profile.first_name,
                "last_name": profile.last_name,
                "created": iso(profile.created),
                "updated": iso(moment),
                "location": {
                    "address1": person.address.street if profile.external_id else None,
                    "city": person.address.place.latin_city,
                    "country": person.locale.country,
                    "zip": person.address.postal_code if profile.external_id else None,
                },
                "properties": {"loyalty_number": profile.loyalty_number} if profile.loyalty_number else {},
                "subscriptions": {
                    "email": {
                        "marketing": {
                            "consent": profile.consent,
                            "timestamp": iso(profile.consent_at) if profile.consent_at else None,
                        }
                    },
                    "sms": {
                        "marketing": {
                            "consent": profile.sms_consent,
                            "timestamp": iso(profile.sms_consent_at) if profile.sms_consent_at else None,
                        }
                    },
                },
            },
        },
    )
    for owner in profile.owners:
        world.see("klaviyo", f"profiles:{profile.profile_id}", owner, moment)


def write_event(
    world: World, moment: int, profile: Profile, metric: str, number: int, campaign: str, url: str = ""
) -> None:
    """`number` tells the events of one profile apart; `campaign` is JSON members: the campaign's name and subject."""
    link = f',"url":"{url}"' if url else ""
    world.spool.add(
        "klaviyo/events",
        moment,
        f'{{"id":"{profile.profile_id[-12:]}{number:05d}","type":"event","attributes":{{"timestamp":{moment},'
        f'"datetime":"{iso(moment)}","uuid":"{profile.profile_id[3:11].lower()}-{number:04x}-11f0-8001-{profile.profile_id[-12:].lower()}",'
        f'"event_properties":{{{campaign}{link}}}}},'
        f'"relationships":{{"profile":{{"data":{{"type":"profile","id":"{profile.profile_id}"}}}},'
        f'"metric":{{"data":{{"type":"metric","id":"{METRIC_IDS[metric]}"}}}}}}}}',
    )


def metric_lines(created: int) -> list[str]:
    return [
        to_json({"id": METRIC_IDS[name], "type": "metric", "attributes": {"name": name, "created": iso(created)}})
        + "\n"
        for name in METRICS
    ]
