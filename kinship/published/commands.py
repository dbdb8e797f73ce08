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

    published = publish_tables(settings())
    print(f"published at {published.published_at:%Y-%m-%d %H:%M} UTC in {published.folder}")
