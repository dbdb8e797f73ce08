"""What attention cost: a row for each campaign and day. The names are those in the links that bring visitors."""

from demo.clock import date_text, week_text
from demo.world import World

HEADER = "date,channel,campaign,impressions,clicks,cost,currency"
# The advertising tool added a column to its export in the second month.
NEW_COLUMN = "conversions"

CAMPAIGNS = (
    # channel, campaign, medium, share of visits, cost of a click in EUR
    ("google", "brand_search", "cpc", 0.10, 0.35),
    ("google", "shopping_gifts", "cpc", 0.09, 0.62),
    ("meta", "spring_collection", "paid_social", 0.07, 0.48),
    ("meta", "retargeting", "paid_social", 0.05, 0.40),
    ("tiktok", "unboxing", "paid_social", 0.04, 0.28),
    ("bing", "gift_ideas", "cpc", 0.02, 0.33),
    ("email", "newsletter", "email", 0.0, 0.02),
)


def row(world: World, day: int, place: int, *, with_new_column: bool) -> str:
    channel, campaign, _, share, click_cost = CAMPAIGNS[place]
    chance = world.chance("ads", day, campaign)
    clicks = int((share or 0.03) * world.people * 0.08 * chance.lognormvariate(0, 0.3)) + chance.randint(0, 3)
    impressions = int(clicks * chance.uniform(18, 60)) + chance.randint(10, 90)
    cost = clicks * click_cost * chance.uniform(0.85, 1.15)
    currency = "GBP" if channel == "bing" else "EUR"
    # a newsletter has a name of its own every week, in the mailing tool too
    name = f"{campaign}_{week_text(day)}" if channel == "email" else campaign
    line = f"{date_text(day)},{channel},{name},{impressions},{clicks},{cost:.2f},{currency}"
    return f"{line},{int(clicks * chance.uniform(0.01, 0.05))}\n" if with_new_column else f"{line}\n"
