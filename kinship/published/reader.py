"""The way into a publication: a connection that can read its tables, and nothing else of the machine."""

import duckdb

from kinship.limits import reader_memory
from kinship.published.publication import NothingPublished, Publication


def open_publication(publication: Publication, masked: bool) -> duckdb.DuckDBPyConnection:
    """Open the masked or the full tables, read-only, without a way to other files or settings.

    A publication never changes: whoever wants the next one asks `current` again. It can be read to the end though it
    is pruned meanwhile; opened anew it cannot. Raises `NothingPublished` when it is gone.
    """
    path = publication.masked if masked else publication.warehouse
    if not path.exists():
        raise NothingPublished(f"the publication {publication.run} is gone: a later one has taken its place")
    return duckdb.connect(
        str(path),
        read_only=True,
        # one and the same for all: a process may open a file twice only with the same settings
        config={
            "enable_external_access": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "memory_limit": reader_memory(),
            "lock_configuration": "true",
        },
    )
