"""The command about the published tables."""

import typer

from kinship.environment import prepare_environment
from kinship.settings import settings


def add_to(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(publish)


def publish() -> None:
    """Publish the tables of the last build, if they are not published yet."""
    prepare_environment()
    from kinship.published.publishing import publish as publish_tables

    outcome = publish_tables(settings())
    wrote = {
        "everything": "published",
        "syncs": "published what the syncs did since",
        "nothing": "nothing is new since what was published",
    }[outcome.written]
    at = outcome.publication.published_at
    print(f"{wrote} at {at:%Y-%m-%d %H:%M} UTC ({outcome.seconds:.1f} s): {outcome.publication.folder}")
