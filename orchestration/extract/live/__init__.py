"""Live sources: what changed in a running system arrives as files, which extraction takes in as any other.

`fetch` pulls pages over HTTP (dlt's RESTClient) and writes their records, as the system told them, to
`<data>/arrivals/<source>/<account>/<table>/<number>.jsonl.gz`; the progress lies in `<data>/live/`. A file is never
changed once it is there, and is removed when its rows are loaded.
"""

from orchestration.extract.live.api import Api, Settings
from orchestration.extract.live.deletions import ByEvents, ByIds
from orchestration.extract.live.export import Export
from orchestration.extract.live.feed import Feed, Record, Span
from orchestration.extract.live.keyset import Keyset
from orchestration.extract.live.line import Patience, Rate
from orchestration.extract.live.listing import Listing
from orchestration.extract.live.oauth import RefreshToken
from orchestration.extract.live.reports import Report

__all__ = [
    "Api",
    "ByEvents",
    "ByIds",
    "Export",
    "Feed",
    "Keyset",
    "Listing",
    "Patience",
    "Rate",
    "Record",
    "RefreshToken",
    "Report",
    "Settings",
    "Span",
]
