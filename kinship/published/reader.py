"""The way into a publication: a connection that can read its tables, and nothing else of the machine."""

import duckdb

from kinship.published.publication import NothingPublished, Publication


def open_publication(publication: Publication, masked: bool) -> duckdb.DuckDBPyConnection:
    """Open the masked or the full tables, read-only, without a way to other files or settings."""
    path = publication.masked if masked else publication.warehouse
    if not path.exists():
        raise NothingPublished(f"the publication {publication.run} is gone: a later one has taken its place")
    return duckdb.connect(
        str(path), read_only=True, config={"enable_external_access": "false", "lock_configuration": "true"}
    )
