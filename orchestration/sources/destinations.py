"""What destinations tell us back: who unsubscribed there. Written by the syncs (reverse_etl/consent_events.py)."""

from orchestration.extract import Records, Source, Stream

source = Source("destinations")


@source.table(
    required={
        "id": "text",
        "identifier_type": "text",
        "identifier": "text",
        "purpose": "text",
        "channel": "text",
        "opted_out_at": "timestamp",
    },
    optional="destination sync status seen_at",
)
def opt_outs(records: Records) -> Stream:
    """One row per person, purpose and channel that a destination reported as unsubscribed, and report."""
    return records.files()
