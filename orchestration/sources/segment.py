"""Segment: what people do on the web and in the app, one call of its spec a line."""

from orchestration.extract import Records, Source, Stream

source = Source("segment")


@source.table(
    required={"messageId": "text", "type": "text", "timestamp": "timestamp"},
    optional="event name userId anonymousId originalTimestamp sentAt receivedAt context traits properties",
)
def events(records: Records) -> Stream:
    """One row per identify, track, page or screen call."""
    return records.files()
