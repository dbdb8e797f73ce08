"""From the first day of a household or company to the end of the history."""

from demo.behaviour import crm, mail, shop, support, till, web
from demo.behaviour.life import Known, Life
from demo.people import Unit, recycled_from
from demo.world import World


def tell(world: World, unit: Unit) -> None:
    """Simulate `unit` from before the company's first day to its last, writing every record on the way."""
    life = Life(world, unit, web.visit)
    for known in life.members:
        life.agenda.at(life.arrival(known), _arrive, life, known)
    life.agenda.run(world.closing)
    world.truth.finish(unit)


def _arrive(moment: int, life: Life, known: Known) -> None:
    person = known.person
    opening = life.world.opening
    was_there = moment < opening
    crm.meet(moment, life, known)
    if person.loyalty_number:
        till.get_card(moment, life, known)
    if was_there:
        _remember(moment, life, known)
    web.plan_visit(max(moment, opening), life, known)
    if person.kind != "visitor" and life.sometimes(0.035):
        life.agenda.at(life.later(max(moment, opening), 50), shop.change_email, life, known)
    if person.kind in ("shopper", "loyal", "business") and life.sometimes(0.05):
        life.agenda.at(life.later(max(moment, opening), 50), shop.sign_up_again, life, known)
    if recycled_from(person.index + 7, life.world.seed) is not None:
        life.agenda.at(life.later(max(moment, opening), 25), shop.change_phone, life, known)
    if life.sometimes(0.02):
        life.agenda.at(life.later(max(moment, opening), 60), support.ask, life, known, "question", None)


def _remember(moment: int, life: Life, known: Known) -> None:
    """What the shop knows of someone from before the first day: an account, old orders, a subscription."""
    kind = known.person.kind
    opening = life.world.opening
    if kind in ("shopper", "loyal", "lapsing", "business") and life.sometimes(0.75):
        shop.sign_up(moment, life, known)
        many = {"loyal": 5, "lapsing": 6}.get(kind, 1.2)
        ends = min(opening, known.lapses)
        for _ in range(int(life.chance.expovariate(1 / many))):
            at = life.chance.randrange(moment, opening)
            if at < ends:
                life.agenda.at(at, shop.order_unseen, life, known)
    elif kind == "subscriber":
        mail.subscribe(moment, life, known, known.email)
