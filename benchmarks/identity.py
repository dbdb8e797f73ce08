"""How well does Kinship know who is who, beside exact keys and Splink on the same rows?

    python benchmarks/identity.py [--only NAME ...] [--people N ...] [--pathological N ...] [--quick] [--json FILE]

One line per data set and contender: pairwise precision, recall and F1, B-cubed F1, records of the largest cluster,
number of clusters, seconds, and the peak resident memory of all its processes. Kinship goes through its own commands:
`kinship resolve` for a table of people, `kinship extract` and dbt for a company's sources. Each contender is a process
of its own, its start included; for a company the seconds are those of the identity layer, not of extraction and
staging, whose tables the rivals read as well.

Records that stand for several people (a family's mailbox, a kiosk) and colleagues are left out of a company's pairs. A
record that is missing from a result counts as a cluster of its own.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import identity_pathological
import identity_tables
from identity_metrics import Accuracy, accuracy
from sampling import KINSHIP, resident

ROOT = Path(__file__).resolve().parents[1]
RIVALS = Path(__file__).with_name("identity_rivals.py")
DBT = Path(sys.executable).with_name("dbt")
CONTENDERS = ("kinship", "exact keys", "splink")
# files with personal data that are no part of the project, beside the checkout where somebody has put them there
FILES = ROOT.parent / "shared" / "data" / "identity"


@dataclass(frozen=True)
class Table:
    """A table of person records, with the mapping its user would write. `dates`: how birth dates are written."""

    name: str
    identifier: str
    columns: str
    truth: str = ""
    splink: str = "generic"
    dates: str = ""
    people: int = 0


_FEBRL = (
    "given_name=given_name,surname=family_name,street_number=other,address_1=street,address_2=other,suburb=city,"
    "postcode=postcode,state=other,date_of_birth=birth_date,soc_sec_id=national_id"
)
TABLES = (
    Table(
        "fake_1000", "unique_id", "first_name=given_name,surname=family_name,dob=birth_date,city=city,email=email",
        truth="cluster", splink="labels",
    ),
    Table("febrl1", "rec_id", _FEBRL, truth="true_entity", splink="febrl"),
    Table("febrl2", "rec_id", _FEBRL, truth="true_entity", splink="febrl"),
    Table(
        "census", "scheda",
        "nome=given_name,cognome=family_name,data_nascita=birth_date,comune=city,indirizzo=street,cap=postcode,"
        "mestiere=other,luogo_nascita=other",
        dates="%d.%m.%Y", people=3_000,
    ),
    Table(
        "crm", "Record No",
        "Customer Name=full_name,E-Mail=email,Telephone=phone,Street Address=street,Town=city,ZIP=postcode,"
        "Country=country,Birthday=birth_date,Segment=ignore",
        people=5_000,
    ),
)  # fmt: skip
# what a record of a company looks like to a rival that reads one row per record
COMPANY = (
    "given_name=given_name,family_name=family_name,birth_date=birth_date,email=email,phone=phone,street=street,"
    "city=city,postcode=postcode"
)


@dataclass(frozen=True)
class Run:
    """One command: its exit code (None: it was given up), what it printed, wall seconds and peak resident bytes."""

    code: int | None
    output: str
    seconds: float
    peak: int

    def failure(self) -> str:
        if self.code is None:
            return f"gave up after {self.seconds:,.0f} s"
        lines = [line for line in self.output.splitlines() if line.strip()]
        return f"ended with {self.code}: {lines[-1].strip() if lines else ''}"


def watch(command: list[str | Path], patience: float, **environment: str) -> Run:
    """Run a command to its end and watch the memory of it and its children, five times a second."""
    begun, peak = time.monotonic(), 0
    done = threading.Event()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | environment, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip

        def look() -> None:
            nonlocal peak
            while not done.is_set():
                peak = max(peak, resident(process.pid))
                done.wait(0.2)

        watcher = threading.Thread(target=look)
        watcher.start()
        code: int | None
        try:
            code = process.wait(patience)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = None
        finally:
            done.set()
            watcher.join()
        output.seek(0)
        return Run(code, output.read(), time.monotonic() - begun, peak)


@dataclass(frozen=True)
class Row:
    """One line of the table. Without `accuracy`, `note` says why there is none."""

    dataset: str
    contender: str
    accuracy: Accuracy | None = None
    seconds: float = 0.0
    peak: int = 0
    note: str = ""

    def text(self) -> str:
        head = f"{self.dataset:22} {self.contender:11}"
        if self.accuracy is None:
            return f"{head} {self.note}"
        a = self.accuracy
        return (
            f"{head} {a.precision:9.4f} {a.recall:8.4f} {a.f1:8.4f} {a.bcubed_f1:8.4f} {a.largest:8,} {a.clusters:9,}"
            f" {self.seconds:8.1f} {self.peak / 1e6:7,.0f}{f'  {self.note}' if self.note else ''}"
        )

    def as_json(self) -> dict[str, Any]:
        figures = self.accuracy.as_json() if self.accuracy else {}
        measured = {"seconds": round(self.seconds, 2), "peak_mb": round(self.peak / 1e6)} if self.accuracy else {}
        return {"dataset": self.dataset, "contender": self.contender, **figures, **measured, "note": self.note}


HEADING = (
    f"{'data':22} {'contender':11} {'precision':>9} {'recall':>8} {'F1':>8} {'B3 F1':>8} {'largest':>8} {'clusters':>9}"
    f" {'seconds':>8} {'MB':>7}"
)


@dataclass(frozen=True)
class Asked:
    """What the command line asks for."""

    only: tuple[str, ...]
    contenders: tuple[str, ...]
    people: tuple[int, ...]
    pathological: tuple[int, ...]
    days: int
    table_people: int | None
    files: Path
    patience: float
    keep: Path | None


# ---- tables of people


def prepare(table: Table, asked: Asked, folder: Path) -> tuple[Path, Path]:
    """The file to resolve, without its truth and in an order that says nothing, and the truth (`record`, `truth`).

    Raises FileNotFoundError when the data set's file is not there.
    """
    if table.people:
        return identity_tables.write(table.name, asked.table_people or table.people, 1, folder)
    source = asked.files / f"{table.name}.parquet"
    if not source.exists():
        raise FileNotFoundError(f"skipped: there is no {source}")
    rows, truth = folder / f"{table.name}.parquet", folder / f"{table.name}.truth.parquet"
    wanted = ", ".join(f'"{name}"' for name in (table.identifier, *_columns(table)))
    order = f'md5(cast("{table.identifier}" as varchar))'
    connection = duckdb.connect()
    connection.execute(f"copy (select {wanted} from '{source}' order by {order}) to '{rows}'")
    connection.execute(
        f"""copy (select cast("{table.identifier}" as varchar) as record, "{table.truth}" as truth from '{source}')
        to '{truth}'"""
    )
    return rows, truth


def _columns(table: Table) -> dict[str, str]:
    return dict(pair.rsplit("=", 1) for pair in table.columns.split(","))  # type: ignore[misc]


def _plain(column: str) -> str:
    return re.sub(r"\W+", "_", column).lower()


def _for_rivals(table: Table, rows: Path, folder: Path) -> tuple[Path, str]:
    """The rows as Splink's manual wants them: Parquet, plain column names, dates it can read; and the mapping."""
    columns = _columns(table)
    target = folder / f"{table.name}.rivals.parquet"
    wanted = [f'"{table.identifier}" as {_plain(table.identifier)}']
    for name, kind in columns.items():
        value = f'cast("{name}" as varchar)'
        if kind == "birth_date" and table.dates:
            value = f"coalesce(cast(cast(try_strptime({value}, '{table.dates}') as date) as varchar), {value})"
        wanted.append(f"{value} as {_plain(name)}")
    reader = f"read_csv('{rows}', all_varchar = true)" if rows.suffix == ".csv" else f"read_parquet('{rows}')"
    duckdb.execute(f"copy (select {', '.join(wanted)} from {reader}) to '{target}'")
    return target, ",".join(f"{_plain(name)}={kind}" for name, kind in columns.items())


def score(truth: Path, found: Path, record: str = "record", cluster: str = "cluster") -> tuple[Accuracy, int]:
    """Compare a result with the truth; the second number is how many records the result does not have."""
    reader = f"read_csv('{found}', all_varchar = true)" if found.suffix == ".csv" else f"read_parquet('{found}')"
    labels = duckdb.connect().sql(
        f"""
        with found as (
            select cast("{record}" as varchar) as record, min(cast("{cluster}" as varchar)) as cluster
            from {reader} group by 1
        )
        select truth.truth, coalesce(found.cluster, 'missing/' || truth.record) as found, found.cluster is null as lost
        from read_parquet('{truth}') as truth left join found on truth.record = found.record"""
    )
    lost = labels.aggregate("count(*) filter (lost)").fetchall()[0][0]
    return accuracy(labels), lost


def bench_table(table: Table, asked: Asked, folder: Path) -> Iterator[Row]:
    try:
        rows, truth = prepare(table, asked, folder)
    except FileNotFoundError as missing:
        yield Row(table.name, "", note=str(missing))
        return
    plain, mapping = _for_rivals(table, rows, folder)
    for contender in asked.contenders:
        out = folder / f"{table.name}.{_plain(contender)}.{'csv' if rows.suffix == '.csv' else 'parquet'}"
        if contender == "kinship":
            if not _can_resolve():
                yield Row(table.name, contender, note="not available: there is no `kinship resolve` yet")
                continue
            command = [KINSHIP, "resolve", rows, "--id", table.identifier, "--columns", table.columns, "--out", out]
            run = watch(command, asked.patience, KINSHIP_DATA=str(folder / f"{table.name}.data"))
            yield _judged(table.name, contender, run, truth, out, table.identifier, "customer_id")
            continue
        out = out.with_suffix(".parquet")
        name = ["exact"] if contender == "exact keys" else ["splink", "--settings", table.splink]
        command = [sys.executable, RIVALS, *name, "--rows", plain, "--id", _plain(table.identifier),
                   "--columns", mapping, "--out", out]  # fmt: skip
        yield _judged(table.name, contender, watch(command, asked.patience), truth, out)


def _can_resolve() -> bool:
    return subprocess.run([KINSHIP, "resolve", "--help"], capture_output=True).returncode == 0


def _judged(
    dataset: str, contender: str, run: Run, truth: Path, out: Path, record: str = "record", cluster: str = "cluster"
) -> Row:
    if run.code != 0 or not out.exists():
        return Row(dataset, contender, note=run.failure())
    figures, lost = score(truth, out, record, cluster)
    note = f"{lost:,} records missing" if lost else ""
    return Row(dataset, contender, figures, run.seconds, run.peak, note)


# ---- companies

_TRUTH = """
    select source || '/' || record_id as record, person_id as truth
    from read_parquet('{truth}')
    where not is_shared and person_id not like 'a%'"""

# a record without an identifier is there as well, with no key
_KEYS = """
    select
        graph.source || '/' || graph.record_id as record,
        identifiers.identifier_type || ':' || identifiers.identifier_value as key
    from warehouse.identity.identity_graph as graph
    left join warehouse.identity.int_identity__identifiers as identifiers
        on graph.source = identifiers.source and graph.record_id = identifiers.record_id"""

# the latest value of each attribute; e-mail and phone in the normal form Kinship gives them
_PEOPLE = """
    with attributes as (
        {attributes}
    ),
    latest as (
        select
            source || '/' || record_id as record,
            attribute,
            arg_max(lower(trim(value)), (observed_at, value)) as value
        from attributes group by all
    ),
    wide as (
        select
            record,
            max(value) filter (attribute = 'first_name') as first_name,
            max(value) filter (attribute = 'last_name') as last_name,
            max(value) filter (attribute = 'full_name') as full_name,
            max(value) filter (attribute = 'birth_date') as birth_date,
            max(value) filter (attribute = 'street') as street,
            max(value) filter (attribute = 'city') as city,
            max(value) filter (attribute = 'postal_code') as postcode
        from latest group by record
    ),
    contacts as (
        select
            source || '/' || record_id as record,
            arg_max(identifier_value, (last_seen_at, identifier_value)) filter (identifier_type = 'email') as email,
            arg_max(identifier_value, (last_seen_at, identifier_value)) filter (identifier_type = 'phone') as phone
        from warehouse.identity.int_identity__identifiers group by all
    )
    select
        coalesce(wide.record, contacts.record) as record,
        coalesce(first_name, split_part(full_name, ' ', 1)) as given_name,
        coalesce(last_name, nullif(substr(full_name, length(split_part(full_name, ' ', 1)) + 2), '')) as family_name,
        birth_date, email, phone, street, city, postcode
    from wide full join contacts on wide.record = contacts.record"""


def bench_company(dataset: str, data: Path, sources: list[str | Path] | None, asked: Asked) -> Iterator[Row]:
    """A company whose sources lie in `data`, or are written there by the command `sources`."""
    environment = {
        "KINSHIP_DATA": str(data), "DBT_TARGET_PATH": str(data / "target"), "DBT_LOG_PATH": str(data / "logs"),
    }  # fmt: skip
    build = [DBT, "--quiet", "build", "--exclude-resource-type", "test", "--exclude-resource-type", "unit_test"]
    steps: list[list[str | Path]] = [
        [KINSHIP, "extract"],
        [*build, "--select", "+path:models/staging", "+identity_graph", "--exclude", "path:models/identity"],
    ]
    for step in [sources] * bool(sources) + steps:
        prepared = watch(step, 24 * 3600, **environment)
        if prepared.code != 0:
            yield Row(dataset, "", note=f"`{Path(step[0]).name} {step[1]}` {prepared.failure()}")
            return
    # the rivals read the identifiers as Kinship has normalised them, so this contender goes first
    run = watch([*build, "--select", "+identity_graph,path:models/identity"], asked.patience, **environment)
    if run.code != 0:
        yield Row(dataset, "kinship", note=run.failure())
        return
    truth, keys, people, found = _exported(data)
    guarded = _judged(dataset, "kinship", run, truth, found)
    if "kinship" in asked.contenders:
        yield guarded
    if "exact keys" in asked.contenders:
        out = data / "keys.clusters.parquet"
        command: list[str | Path] = [sys.executable, RIVALS, "keys", "--rows", keys, "--out", out]
        row = _judged(dataset, "exact keys", watch(command, asked.patience), truth, out)
        yield row
        if row.accuracy and guarded.accuracy:
            share = guarded.accuracy.recall / row.accuracy.recall if row.accuracy.recall else 1.0
            yield Row(dataset, "", note=f"recall with guards is {share:.1%} of that without")
    if "splink" in asked.contenders:
        out = data / "splink.clusters.parquet"
        command = [sys.executable, RIVALS, "splink", "--rows", people, "--id", "record", "--columns", COMPANY,
                   "--out", out]  # fmt: skip
        yield _judged(dataset, "splink", watch(command, asked.patience), truth, out)


def _exported(data: Path) -> tuple[Path, Path, Path, Path]:
    """Parquet files of the truth, of every record's identifiers, of one row per record, and of Kinship's result."""
    truth, keys, people, found = (data / f"bench.{name}.parquet" for name in ("truth", "keys", "people", "found"))
    with duckdb.connect() as connection:
        connection.execute(f"attach '{data / 'warehouse.duckdb'}' as warehouse (read_only)")
        names = connection.execute(
            """
            select table_name from information_schema.tables
            where table_catalog = 'warehouse' and table_schema = 'staging' and table_name like 'stg\\_%\\_\\_attributes' escape '\\'
            order by table_name"""  # noqa: E501
        ).fetchall()
        attributes = " union all ".join(
            f"select source, record_id, attribute, value, observed_at from warehouse.staging.{name}"
            for (name,) in names
        )
        graph = (
            "select source || '/' || record_id as record, customer_id as cluster from warehouse.identity.identity_graph"
        )
        for path, query in (
            (truth, _TRUTH.format(truth=data / "truth" / "records.parquet")),
            (keys, _KEYS),
            (people, _PEOPLE.format(attributes=attributes)),
            (found, graph),
        ):
            connection.execute(f"copy ({query}) to '{path}'")
    return truth, keys, people, found


def bench(asked: Asked) -> Iterator[Row]:
    """All lines, one after the other."""
    for table in TABLES:
        if table.name in asked.only:
            with _scratch(asked, table.name) as folder:
                yield from bench_table(table, asked, folder)
    for people in asked.pathological if "pathological" in asked.only else ():
        with _scratch(asked, f"pathological-{people}") as folder:
            command: list[str | Path] = [sys.executable, identity_pathological.__file__, "--people", str(people),
                                         "--out", folder]  # fmt: skip
            yield from bench_company(f"pathological {people:,}", folder, command, asked)
    for people in asked.people if "demo" in asked.only else ():
        with _scratch(asked, f"demo-{people}") as folder:
            command = [KINSHIP, "demo", "--people", str(people), "--days", str(asked.days)]
            yield from bench_company(f"demo {people:,}", folder, command, asked)


class _scratch:
    """A folder for one data set: a temporary one, or one of its own below `--keep`, which stays."""

    def __init__(self, asked: Asked, name: str) -> None:
        self._kept = asked.keep / name if asked.keep else None
        self._temporary = None if self._kept else tempfile.TemporaryDirectory(prefix="kinship-identity-")

    def __enter__(self) -> Path:
        if self._kept:
            self._kept.mkdir(parents=True)
            return self._kept.resolve()
        assert self._temporary is not None
        return Path(self._temporary.name)

    def __exit__(self, *_: object) -> None:
        if self._temporary:
            self._temporary.cleanup()


def arguments(words: list[str] | None = None) -> tuple[Asked, Path | None]:
    names = (*(table.name for table in TABLES), "pathological", "demo")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=CONTENDERS, metavar="NAME")
    parser.add_argument("--people", type=int, nargs="+", default=None, help="sizes of the demo company; default 2000")
    parser.add_argument("--days", type=int, default=180, help="history of the demo company")
    parser.add_argument("--pathological", type=int, nargs="+", default=None, help="sizes; default 5000")
    parser.add_argument("--quick", action="store_true", help="a few hundred people everywhere: does it run at all?")
    parser.add_argument("--files", type=Path, default=FILES, help="folder of fake_1000, febrl1, febrl2 as Parquet")
    parser.add_argument("--patience", type=float, default=3600, help="seconds after which a contender is given up")
    parser.add_argument("--keep", type=Path, help="keep all files in this folder")
    parser.add_argument("--json", type=Path, help="write the lines to this file as well")
    given = parser.parse_args(words)
    asked = Asked(
        only=tuple(given.only),
        contenders=tuple(given.contenders),
        people=tuple(given.people or ((150,) if given.quick else (2_000,))),
        pathological=tuple(given.pathological or ((300,) if given.quick else (5_000,))),
        days=min(given.days, 40) if given.quick else given.days,
        table_people=300 if given.quick else None,
        files=given.files.resolve(),
        patience=given.patience,
        keep=given.keep,
    )
    return asked, given.json


def main() -> None:
    asked, target = arguments()
    print(HEADING, flush=True)
    rows = []
    for row in bench(asked):
        print(row.text(), flush=True)
        rows.append(row.as_json())
    if target:
        target.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
