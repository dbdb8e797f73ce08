"""Extraction: the files and records of eight systems become raw tables, by one small declaration per source.

result = extract("shopify")     # what is new, exactly once
sources()                       # the declarations, by name
"""

from orchestration.extract.live.feed import Span
from orchestration.extract.run import ExtractResult, extract
from orchestration.extract.tables import Records, Source, Stream, Table, sources
from orchestration.extract.target import ExtractError

__all__ = [
    "ExtractError",
    "ExtractResult",
    "Records",
    "Source",
    "Span",
    "Stream",
    "Table",
    "extract",
    "sources",
]
