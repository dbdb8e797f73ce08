"""The newsletter, reminders and text messages: who gets them and what they do with them."""

from demo.behaviour.life import Known, Life
from demo.clock import DAY, HOUR, MINUTE, to_date, week_text
from demo.dirt import given_as_written, names_as_written
from demo.sources import klaviyo
from demo.sources.klaviyo import Profile
from demo.sources.shopify import write_customer
from demo.sources.vtiger import write_contact
from demo.world import to_json

_SUBJECTS = (
    "Little things for big days",
    "New in: the summer table",
    "For the ones you love",
    "Candles, candles, candles",
    "Ends tonight: 15% off",
    "What our makers made this week",
    "A gift in ten minutes",
    "Back in stock",
    "Your garden called",
    "Tea for two?",
)
_TUESDAY_EIGHT = 5 * DAY + 8 * HOUR  # 1970-01-06 was a Tuesday
_WEEK = 7 * DAY


def _mailbox(email: str) -> str:
    local, _, domain = email.strip().lower().partition("@")
    return f"{local.partition('+')[0]}@{domain}"


def _profile(moment: int, life: Life, known: Known, email: str) -> Profile:
    """The mailing tool keeps one profile for an address, whoever reads it."""
    chance, person = life.chance, known.person
    key = _mailbox(email)
    profile = life.profiles.get(key)
    if profile is None:
        number = len(life.profiles)
        first = given_as_written(person, chance) if chance.random() < 0.7 else ""
        last = names_as_written(person, chance)[1] if first and chance.random() < 0.7 else ""
        profile = Profile(
            klaviyo.profile_id(life.world.seed, life.unit.index, number), person, email.strip(), "", first, last, moment
        )
        life.profiles[key] = profile
        life.profile_events[profile.profile_id] = 0
    if person not in profile.owners:
        profile.owners.append(person)
    if known.profile is None:
        known.profile = profile
    return profile


def subscribe(moment: int, life: Life, known: Known, email: str) -> None:
    """Someone wants the newsletter."""
    profile = _profile(moment, life, known, email)
    was = profile.consent
    profile.consent, profile.consent_at = "SUBSCRIBED", moment
    klaviyo.write_profile(life.world, moment, profile)
    if known.account and known.account.email_consent != "subscribed":
        known.account.email_consent, known.account.email_consent_at = "subscribed", moment
        write_customer(life.world, moment, known.account)
    if was != "SUBSCRIBED":
        _plan_newsletter(moment, life, known, profile)


def follow_account(moment: int, life: Life, known: Known) -> None:
    """The shop hands its new account on to the mailing tool."""
    account = known.account
    if account is None or life.sometimes(0.05):
        return
    profile = _profile(moment, life, known, account.email)
    profile.external_id = profile.external_id or account.customer_id
    profile.first_name, profile.last_name = (
        profile.first_name or account.first_name,
        profile.last_name or account.last_name,
    )
    profile.phone = account.phone or profile.phone
    profile.loyalty_number = account.loyalty_number if life.sometimes(0.6) else profile.loyalty_number
    starts = profile.consent != "SUBSCRIBED" and account.email_consent == "subscribed"
    if starts:
        profile.consent, profile.consent_at = "SUBSCRIBED", moment
    if account.sms_consent == "subscribed":
        profile.sms_consent, profile.sms_consent_at = "SUBSCRIBED", moment
        if ("sms", profile.profile_id) not in life.enrolled:
            life.enrolled.add(("sms", profile.profile_id))
            life.agenda.at(_next_text(max(moment, life.world.opening)), _text, life, known, profile)
    klaviyo.write_profile(life.world, moment + 40, profile)
    if starts:
        _plan_newsletter(moment, life, known, profile)


def _plan_newsletter(moment: int, life: Life, known: Known, profile: Profile) -> None:
    if ("email", profile.profile_id) in life.enrolled:
        return
    life.enrolled.add(("email", profile.profile_id))
    since = max(moment, life.world.opening)
    first = since + (_TUESDAY_EIGHT - since) % _WEEK + life.chance.randrange(20 * MINUTE)
    life.agenda.at(first, _newsletter, life, known, profile)


def _event(moment: int, life: Life, profile: Profile, metric: str, campaign: str, url: str = "") -> None:
    life.profile_events[profile.profile_id] += 1
    klaviyo.write_event(life.world, moment, profile, metric, life.profile_events[profile.profile_id], campaign, url)


def _newsletter(moment: int, life: Life, known: Known, profile: Profile) -> None:
    if profile.consent != "SUBSCRIBED":
        life.enrolled.remove(("email", profile.profile_id))
        return
    chance = life.chance
    week = moment // _WEEK
    name = f"newsletter_{week_text(moment // DAY)}"
    campaign = f'"campaign_name":"{name}","subject":"{_SUBJECTS[week % len(_SUBJECTS)]}"'
    # one address in sixty never worked
    if profile.profile_id[-1] == "0" and profile.profile_id[-2] in "0123":
        _event(moment + 9, life, profile, "Bounced Email", campaign)
        if chance.random() < 0.5:
            # the tool gives the address up; it stays enrolled, so that nobody enrols it again
            return
    else:
        _event(moment, life, profile, "Received Email", campaign)
        _read(moment, life, known, profile, campaign, name)
    life.agenda.at(moment + _WEEK, _newsletter, life, known, profile)


def _read(moment: int, life: Life, known: Known, profile: Profile, campaign: str, name: str) -> None:
    chance = life.chance
    roll = chance.random()
    if roll > known.person.opt_in * 0.62:
        return
    opened = moment + int(chance.expovariate(1 / (9 * HOUR)))
    _event(opened, life, profile, "Opened Email", campaign)
    roll = chance.random()
    if roll < 0.14:
        clicked = opened + chance.randrange(5, 300)
        _event(clicked, life, profile, "Clicked Email", campaign, f"https://shop.example/?utm_campaign={name}")
        if chance.random() < 0.7:
            life.agenda.at(clicked + 3, life.visit, life, known, name)
    elif roll < 0.144:
        _event(opened + chance.randrange(120, 7200), life, profile, "Replied to Email", campaign)
    elif roll < 0.158:
        life.agenda.at(opened + chance.randrange(5, 600), _unsubscribe, life, known, profile, campaign, "Unsubscribed")
    elif roll < 0.160:
        life.agenda.at(
            opened + chance.randrange(5, 600), _unsubscribe, life, known, profile, campaign, "Marked Email as Spam"
        )


def _unsubscribe(moment: int, life: Life, known: Known, profile: Profile, campaign: str, metric: str) -> None:
    """Consent is withdrawn where the mail came from; the other systems hear of it mostly, not always."""
    _event(moment, life, profile, metric, campaign)
    profile.consent, profile.consent_at = "UNSUBSCRIBED", moment
    klaviyo.write_profile(life.world, moment, profile)
    account, contact = known.account, known.contact
    if account and account.email_consent == "subscribed" and life.sometimes(0.92):
        account.email_consent, account.email_consent_at = "unsubscribed", moment + 30
        write_customer(life.world, moment + 30, account)
    if contact and life.sometimes(0.7):
        contact.consent, contact.consent_at, contact.email_opt_out = "no", moment, True
        write_contact(life.world, moment + 3600, contact)
    if life.sometimes(0.08):
        life.agenda.at(life.later(moment, 30), subscribe, life, known, profile.email)


def remind_of_cart(moment: int, life: Life, known: Known) -> None:
    """The automatic mail some hours after an abandoned checkout, to subscribers."""
    profile = known.profile
    if profile is None or profile.consent != "SUBSCRIBED":
        return
    campaign = '"campaign_name":"flow_cart_reminder","subject":"You left something behind"'
    _event(moment, life, profile, "Received Email", campaign)
    if life.sometimes(0.5):
        opened = moment + int(life.chance.expovariate(1 / (4 * HOUR)))
        _event(opened, life, profile, "Opened Email", campaign)
        if life.sometimes(0.3):
            _event(opened + 20, life, profile, "Clicked Email", campaign, "https://shop.example/cart")


def _next_text(moment: int) -> int:
    """Text messages go out every fourth Thursday at 17:00."""
    thursday = 17 * HOUR  # 1970-01-01 was a Thursday
    return moment + (thursday - moment) % (4 * _WEEK)


def _text(moment: int, life: Life, known: Known, profile: Profile) -> None:
    if profile.sms_consent != "SUBSCRIBED":
        return
    name = f"sms_{to_date(moment // DAY).strftime('%Y_%m_%d')}"
    campaign = f'"campaign_name":"{name}","subject":{to_json("Today only")}'
    _event(moment, life, profile, "Received SMS", campaign)
    roll = life.chance.random()
    if roll < 0.09:
        _event(
            moment + life.chance.randrange(30, 7200), life, profile, "Clicked SMS", campaign, "https://shop.example/sms"
        )
    elif roll < 0.12:
        at = moment + life.chance.randrange(30, 7200)
        _event(at, life, profile, "Unsubscribed from SMS", campaign)
        profile.sms_consent, profile.sms_consent_at = "UNSUBSCRIBED", at
        klaviyo.write_profile(life.world, at, profile)
        account = known.account
        if account and life.sometimes(0.9):
            account.sms_consent, account.sms_consent_at = "unsubscribed", at
            write_customer(life.world, at + 30, account)
        return
    life.agenda.at(_next_text(moment + DAY), _text, life, known, profile)
