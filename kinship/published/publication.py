"""What is published. `current.json` names the latest publication; it is replaced, never written into."""

from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from kinship.errors import KinshipError
from kinship.settings import Settings

POINTER = "current.json"


class NothingPublished(KinshipError):
    """There is no published copy of the tables yet."""


class Publication(BaseModel):
    """One publication: a folder that is never changed once it has its name."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    run: str
    folder: Path
    as_of: datetime
    published_at: datetime
    rows: dict[str, int]

    @property
    def warehouse(self) -> Path:
        """The tables as they are."""
        return self.folder / "warehouse.duckdb"

    @property
    def masked(self) -> Path:
        """The same tables, personal data masked."""
        return self.folder / "masked.duckdb"


def current(settings: Settings) -> Publication:
    """The latest publication. Raises `NothingPublished` when there is none."""
    try:
        record = (settings.published / POINTER).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NothingPublished(
            f"nothing is published at {settings.published} yet: `kinship run` publishes what has passed its checks"
        ) from None
    publication = Publication.model_validate_json(record)
    return publication.model_copy(update={"folder": settings.published / publication.folder.name})
