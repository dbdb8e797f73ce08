"""The timeline over millions of events: from nothing, by one day more, with people who became one, with nothing new.

    python benchmarks/timeline.py [--rows 10000000] [--memory 8GB] [--threads 2] [--folder FOLDER]

The tables at the edge are made up: ROWS events of a tenth as many records over 180 days, 70 % web in sessions of six on
browsers, 25 % mail, 5 % till (which does not say when it was taken in and is compared whole); a person for every two
records, one record in 80 shared. The models run as they are (tests/timeline_house.py), merged as dbt merges them:

  full        all but the last day, from nothing
  day         the last day: its events and new records, one event in a hundred of them up to 90 days late
  merges      one record in 500 belongs to another person now
  nothing     nothing is new

Prints, per build, rows read anew, seconds, rows a second, the share of the full build, rows written, and the peak
resident memory so far; beside it what DuckDB needs to copy the same events bare, to which no model can come near.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from kinship.settings import ROOT

sys.path.append(str(ROOT / "tests"))  # they run models without dbt
from timeline_house import EVENT_COLUMNS, ORDER, House

DAYS = 180
START = "timestamp '2026-01-01'"


def events(source: str, what: str, rows: int, records: int) -> str:
    """A query for events of one source; event `range` of `rows` happens in the order of time."""
    given = {
        "source": f"'{source}'",
        "event_id": f"'{what}-' || md5(range::varchar)",
        "record_id": f"'anonymous:' || md5((hash(visit) % {records})::varchar)",
        "event_type": "['page_viewed', 'product_viewed', 'product_added', 'checkout_started'][1 + range % 4]",
        "channel": "'web'",
        "occurred_at": f"{START} + to_seconds(moment) - (case when range % 100 = 7 then hash(range) % 90 else 0 end"
        " * interval 1 day)",
        "received_at": f"{START} + to_seconds(moment)",
        "product_id": "(range % 1000)::varchar",
        "amount": "(range % 9000) / 100",
        "currency": "'EUR'",
    }
    if what == "web":
        given |= {
            "utm_source": "case when visit % 3 = 0 then ['google', 'meta', 'klaviyo'][1 + visit % 3] end",
            "utm_medium": "case when visit % 3 = 0 then ['cpc', 'paid_social', 'email'][1 + visit % 3] end",
            "page_path": "'/products/' || range % 1000",
            "device_record_id": f"'anonymous:' || md5((hash(visit) % {records})::varchar)",
        }
    if what != "till":
        given["extracted_at"] = f"date_trunc('day', {START} + to_seconds(moment)) + interval 26 hour"
    columns = ", ".join(f"cast({given.get(name, 'null')} as {kind}) as {name}" for name, kind in EVENT_COLUMNS.items())
    return f"""
        select {columns}
        from (
            select
                range, range // 6 as visit,
                ((range // 6 * 6) * {DAYS * 86400.0} / {rows})::bigint + range % 6 * 90 as moment
            from range({rows})
        )
    """


def make(house: House, rows: int) -> None:
    """The tables at the edge, with all days; `all_web` and `all_till` keep them."""
    records = rows // 10
    run = house.connection.execute
    run(f"create table all_web as {events('web', 'web', rows * 70 // 100, records)}")
    run(f"insert into all_web {events('web', 'mail', rows * 25 // 100, records)}")
    run(f"create table all_till as {events('till', 'till', rows * 5 // 100, records)}")
    run(
        f"""
        insert into identity_graph
        select source, 'anonymous:' || md5(range::varchar), md5((range // 2)::varchar)
        from range({records}), (values ('web'), ('till')) as sources(source);
        insert into identity_device_owners
        select source, record_id, md5(customer_id), {START} + interval 60 day, {START} + interval 61 day
        from identity_graph where source = 'web' limit {records // 80};
        insert into identity_assignments
        select source, record_id, cast(current_timestamp as timestamp) from identity_graph;
        """
    )
    for rule in (("%cp%", "search", "paid_search"), ("paid%", "social", "paid_social"), ("email", None, "email")):
        run("insert into channel_rules select count(*), ?, ?, ? from channel_rules", rule)
    run("insert into traffic_sites values ('google', 'search'), ('meta', 'social')")


def tell(house: House, until_day: int) -> int:
    """Let the sources tell what happened up to a day; the number of events told anew."""
    (before,) = house.rows("select (select count(*) from stg_web__events) + (select count(*) from stg_till__events)")[0]
    after = 0
    for source in ("web", "till"):
        house.connection.execute(
            f"create or replace table stg_{source}__events as select * from all_{source}"
            f" where received_at < {START} + interval {until_day} day"
        )
        after += house.rows(f"select count(*) from stg_{source}__events")[0][0]
    house.connection.execute("checkpoint")
    return int(after - before)


def build(house: House, what: str, rows: int, full: float) -> float:
    """Build the models once more; the processor seconds it took, which others on the machine do not lengthen."""
    (moment,) = house.rows("select cast(current_timestamp as timestamp)")[0]
    parts, begun, processor = [], time.time(), time.process_time()
    for model in ORDER:
        started = time.process_time()
        house.build_model(model)
        parts.append(f"{model} {time.process_time() - started:.1f}")
    seconds, processor = time.time() - begun, time.process_time() - processor
    (written,) = house.rows(f"select count(*) from customer_events where changed_at >= '{moment}'")[0]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    share = f"{processor / full:6.1%} of full" if full else " " * 14
    print(
        f"{what:8} {rows:>11,} rows {seconds:8.1f} s {processor:8.1f} processor s {share}"
        f" {rows / seconds:>10,.0f} rows/s {written:>11,} written {peak:7,.0f} MB  ({', '.join(parts)})",
        flush=True,
    )
    return processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--memory", default="8GB")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where the warehouse goes; default the system's")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kinship-timeline-", dir=asked.folder) as folder:
        config = {"threads": asked.threads, "memory_limit": asked.memory}
        with duckdb.connect(str(Path(folder) / "warehouse.duckdb"), config=config) as connection:
            connection.execute("set preserve_insertion_order = false")
            house = House(connection=connection)
            begun = time.time()
            make(house, asked.rows)
            rows = tell(house, DAYS - 1)
            print(f"made in {time.time() - begun:,.0f} s", flush=True)
            begun = time.time()
            connection.execute("create table bare as from stg_web__events union all from stg_till__events")
            seconds = time.time() - begun
            print(f"bare     {rows:>11,} rows {seconds:8.1f} s {rows / seconds:>10,.0f} rows/s", flush=True)
            connection.execute("drop table bare")
            full = build(house, "full", rows, 0)
            build(house, "day", tell(house, DAYS), full)
            connection.execute(
                """
                create table moved as
                select
                    source, record_id,
                    first(customer_id) over (order by record_id rows between 1 preceding and current row) as customer_id
                from identity_graph where source = 'web' and hash(record_id) % 500 = 0;
                update identity_graph set customer_id = moved.customer_id from moved
                where identity_graph.source = moved.source and identity_graph.record_id = moved.record_id;
                insert into identity_assignments
                select source, record_id, cast(current_timestamp as timestamp) from moved;
                """
            )
            build(house, "merges", 0, full)
            build(house, "nothing", 0, full)
            # the proof: what was built bit by bit is what is built from nothing
            kept = "* exclude (changed_at)"
            connection.execute(
                f"create table held as select {kept} from customer_events;"
                f" create table held_sessions as select {kept} from customer_sessions"
            )
            house.build(full_refresh=True)
            for table, held in (("customer_events", "held"), ("customer_sessions", "held_sessions")):
                one, other = f"select {kept} from {table}", f"from {held}"
                differing = [
                    house.rows(f"select count(*) from ({a} except {b})")[0][0] for a, b in ((one, other), (other, one))
                ]
                print(f"{table}: {differing[0]:,} and {differing[1]:,} rows differ from a build from nothing")


if __name__ == "__main__":
    main()
