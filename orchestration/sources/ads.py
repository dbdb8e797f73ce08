"""Advertising: what each campaign cost on each day."""

from orchestration.extract import Records, Source, Stream

source = Source("ads")


@source.table(
    required={"date": "date", "campaign": "text"},
    optional="channel impressions clicks cost currency",
)
def campaign_costs(records: Records) -> Stream:
    """One row per channel, campaign and day."""
    return records.files()
