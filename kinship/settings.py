"""Where things lie. Every path and switch comes from the environment, with a default that just works."""

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Settings:
    """The project's paths and switches, all absolute.

    `state` holds what belongs to one warehouse and must move with it: extraction state, ledgers, Dagster's history.
    On Spark the tables lie in `lake`, and `warehouse` is a DuckDB file of views over them, with the run's own books.
    """

    warehouse: Path
    sources: Path
    target: str
    lake: str = ""

    @property
    def state(self) -> Path:
        return self.warehouse.parent

    @property
    def ledger(self) -> Path:
        return self.state / "ledger"

    @property
    def dlt(self) -> Path:
        return self.state / "dlt"

    @property
    def dagster_home(self) -> Path:
        return self.state / "dagster"

    @property
    def data_docs(self) -> Path:
        return self.state / "data_docs"

    @property
    def published(self) -> Path:
        """The folder of the published copies; `current.json` in it names the latest (kinship/published)."""
        return self.state / "published"

    @property
    def lineage(self) -> Path:
        """The page that `kinship docs` writes."""
        return self.state / "docs" / "index.html"

    @property
    def exposures(self) -> Path:
        """The folder of the syncs' exposures, which dbt reads as one of its model paths (kinship/exposures.py)."""
        return self.state / "dbt" / "exposures"

    def source_path(self, source: str) -> Path:
        """The files of one source: `KINSHIP_<SOURCE>_PATH`, or its folder below `KINSHIP_SOURCES`."""
        override = os.environ.get(f"KINSHIP_{source.upper()}_PATH")
        return Path(override).expanduser().resolve() if override else self.sources / source

    def environment(self) -> dict[str, str]:
        """What a child process (dbt, Dagster) needs so that it sees the same warehouse and sources."""
        return {
            "KINSHIP_WAREHOUSE": str(self.warehouse),
            "KINSHIP_SOURCES": str(self.sources),
            "KINSHIP_LAKE": self.lake,
            "KINSHIP_TARGET": self.target,
            "DAGSTER_HOME": str(self.dagster_home),
            "KINSHIP_EXPOSURES": str(self.exposures),
            # a model that reads all segments names them while dbt parses, which does not look into folders
            "KINSHIP_SEGMENTS": " ".join(sorted(path.stem for path in (ROOT / "models" / "segments").glob("*.sql"))),
        }


def settings() -> Settings:
    """Read the environment now (not at import), so that a test can point one process at several warehouses."""

    def path(variable: str, default: Path) -> Path:
        value = os.environ.get(variable)
        return Path(value).expanduser().resolve() if value else default

    data = path("KINSHIP_DATA", ROOT / "data")
    target = os.environ.get("KINSHIP_TARGET", "duckdb")
    return Settings(
        warehouse=path("KINSHIP_WAREHOUSE", data / ("lake.duckdb" if target == "spark" else "warehouse.duckdb")),
        sources=path("KINSHIP_SOURCES", data / "sources"),
        lake=lake
        if "://" in (lake := os.environ.get("KINSHIP_LAKE", ""))
        else str(path("KINSHIP_LAKE", data / "lake")),
        target=target,
    )
