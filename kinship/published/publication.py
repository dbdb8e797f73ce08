"""What is published. `current.json` names the latest publication; it is replaced, never written into."""

import os
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from kinship.checks import Checks
from kinship.errors import KinshipError
from kinship.settings import Settings

RECORD = "publication.json"
"""A publication's own record, in its folder."""

POINTER = "current.json"

WAREHOUSE, MASKED_WAREHOUSE, PARQUET = "warehouse.duckdb", "masked.duckdb", "parquet"
"""What a publication's folder holds."""


class NothingPublished(KinshipError):
    """There is no published copy of the tables yet."""


class Publication(BaseModel):
    """One publication: a folder that is never changed once it has its name.

    All times are UTC. `rows` counts by `<schema>.<table>`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    run: str
    """Its name, and the folder's: no two have the same. What was read from one may be kept under it."""
    folder: Path
    as_of: datetime
    """The moment the tables look from."""
    built_at: datetime
    """When the tables were built."""
    published_at: datetime
    run_id: str
    """Dagster's run that built the tables."""
    tables: str
    """A digest of what the tables were made from; the same again are not written again."""
    syncs: str
    """A digest of where the syncs stand."""
    rows: dict[str, int]
    checks: Checks

    @property
    def warehouse(self) -> Path:
        """The tables as they are. Readable by the user of the run alone."""
        return self.folder / WAREHOUSE

    @property
    def masked(self) -> Path:
        """The same tables with the same columns and types, personal data masked (kinship/published/masking.py)."""
        return self.folder / MASKED_WAREHOUSE

    @property
    def parquet(self) -> Path:
        """The tables as `<schema>/<table>.parquet`, where KINSHIP_PUBLISHED_PARQUET asks for them."""
        return self.folder / PARQUET

    @property
    def is_there(self) -> bool:
        """Whether nobody has removed it."""
        return self.warehouse.exists() and self.masked.exists()


def current(settings: Settings) -> Publication:
    """The latest publication. Raises `NothingPublished` when there is none."""
    try:
        record = (settings.published / POINTER).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NothingPublished(
            f"nothing is published at {settings.published} yet: `kinship run` publishes what has passed its checks"
        ) from None
    return _placed(record, settings.published)


def read_record(folder: Path) -> Publication | None:
    """The publication in a folder; None where there is none."""
    try:
        return _placed((folder / RECORD).read_text(encoding="utf-8"), folder.parent)
    except FileNotFoundError:
        return None


def write_record(publication: Publication, path: Path) -> None:
    """Write a publication's record so that a reader finds the old one or the new one, whenever the power fails."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("w", encoding="utf-8") as file:
        # the name alone: the data folder may be moved
        file.write(publication.model_copy(update={"folder": Path(publication.folder.name)}).model_dump_json(indent=2))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring the folder's names to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _placed(record: str, published: Path) -> Publication:
    publication = Publication.model_validate_json(record)
    return publication.model_copy(update={"folder": published / publication.folder.name})
