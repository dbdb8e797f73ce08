"""Enrichment: what a third party knows about people and companies."""

from orchestration.extract import Records, Source, Stream

source = Source("enrichment")


@source.table(
    required={"email": "text", "updated_at": "timestamp"},
    optional="full_name job_title seniority company_domain age_band income_band country_code",
)
def people(records: Records) -> Stream:
    """One row per e-mail address and delivery."""
    return records.files()


@source.table(
    required={"domain": "text", "updated_at": "timestamp"},
    optional="name industry employees country_code",
)
def companies(records: Records) -> Stream:
    """One row per domain and delivery."""
    return records.files()
