"""What the pages for executives draw, read back; and publications in which something is missing."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
from streamlit.testing.v1 import AppTest

from kinship.published.publication import POINTER, RECORD, Publication


def charted(app: AppTest, *columns: str) -> pd.DataFrame:
    """The rows of the first chart that has all these columns."""
    for element in app.get("vega_lite_chart"):
        for dataset in element.proto.datasets:
            frame = pa.ipc.open_stream(dataset.data.data).read_pandas()
            if set(columns) <= set(frame.columns):
                return frame
    raise AssertionError(f"no chart has the columns {', '.join(columns)}")


def table(app: AppTest, *columns: str) -> pd.DataFrame:
    """The first table that has all these columns."""
    for element in app.dataframe:
        if set(columns) <= set(element.value.columns):
            return element.value
    raise AssertionError(f"no table has the columns {', '.join(columns)}")


def changed(publication: Publication, folder: Path, statements: Iterable[str]) -> Path:
    """A data folder with a copy of the masked tables in which these statements were run: what anybody sees."""
    copy = folder / "published" / publication.folder.name
    copy.mkdir(parents=True)
    shutil.copy(publication.masked, copy)
    with duckdb.connect(str(copy / publication.masked.name)) as tables:
        for statement in statements:
            tables.execute(statement)
        rows = {name: tables.execute(f"select count(*) from {name}").fetchall()[0][0] for name in publication.rows}
    record = publication.model_copy(update={"rows": rows}).model_dump_json()
    for place in (copy / RECORD, folder / "published" / POINTER):
        place.write_text(record)
    return folder


def emptied(publication: Publication, folder: Path) -> Path:
    """A data folder with a copy of the publication in which every table is empty."""
    return changed(publication, folder, [f"delete from {name}" for name in publication.rows])
