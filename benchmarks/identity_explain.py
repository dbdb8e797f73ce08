"""How long `kinship explain` takes in a warehouse of a million records and 1.5 million pieces of evidence.

    python benchmarks/identity_explain.py [--records 1000000] [--edges 1500000]

Makes a warehouse of the identity tables that the command reads, and asks as a user does, a process each time: for a
record, for two records of the largest person, for a merged-away id and its heir, for an identifier, for two people.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

KINSHIP = Path(sys.executable).with_name("kinship")
PERSON = 3  # records of most people; every hundred-thousandth person has 300
REPEATS = 3


def build(path: Path, records: int, edges: int) -> dict[str, list[str]]:
    """Write the warehouse; returns what to ask, by the name of the question."""
    connection = duckdb.connect(str(path))
    connection.execute("create schema identity")
    connection.execute(f"""
        create table people as
        select
            i as n, 'shop' as source, 'customers:' || i as record_id,
            case when i % 300000 < 300 then i - i % 300000 else i - i % {PERSON} end as person,
            timestamp '2020-01-01' + i * interval '1' second as seen_at
        from range({records}) as numbers(i)
        order by md5(i::varchar)
    """)
    connection.execute("""
        create table identity.identity_graph as
        select source, record_id, md5('shop:customers:' || person) as customer_id, seen_at as since,
            0.999::decimal(4, 3) as confidence
        from people
    """)
    # the second record of each person once had an id of its own
    connection.execute("""
        create table identity.identity_assignments as
        select source, record_id,
            md5('shop:customers:' || case when n = person + 1 then n else person end) as customer_id,
            seen_at as customer_since, 1::bigint as assigned_in, seen_at as assigned_at
        from people
        union all
        select source, record_id, md5('shop:customers:' || person), seen_at, 2, seen_at from people where n = person + 1
    """)
    connection.execute("""
        create table identity.identity_redirects as
        select distinct customer_id, md5('shop:customers:' || person) as current_customer_id,
            customer_id = md5('shop:customers:' || person) as is_current, customer_since, assigned_at as issued_at
        from identity.identity_assignments inner join people using (source, record_id)
    """)
    connection.execute("""
        create table identity.int_identity__identifiers as
        select source, record_id, unnest(['email', 'phone']) as identifier_type,
            unnest(['p' || person || '@example.com', '+359' || n]) as identifier_value,
            seen_at as first_seen_at, seen_at as last_seen_at
        from people
    """)
    # each record to the one before it in its person, and again by other evidence until there are enough
    connection.execute(f"""
        create table identity.identity_edges as
        with pairs as (
            select a.n as left_n, b.n as right_n, a.person from people as a inner join people as b
            on b.n = a.n + 1 and a.person = b.person
        ),
        copies as (select *, way from pairs, range(3) as ways(way) order by way, md5(left_n::varchar) limit {edges})
        select
            md5(left_n || ':' || way) as edge_id, 'shop' as left_source, 'customers:' || left_n as left_record_id,
            'shop' as right_source, 'customers:' || right_n as right_record_id,
            case way when 0 then 'email' else 'likeness' end as rule,
            case way when 0 then md5('email:p' || person || '@example.com') end as value_hash,
            case way when 0 then 2 else 3 end as tier, 'strict' as level, 20.0 - way as weight, true as is_admitted,
            null::varchar as refusal, null::varchar as detail, null::varchar as model_version,
            timestamp '2024-01-01' as first_seen_at, timestamp '2024-02-01' as last_seen_at
        from copies
    """)
    row = connection.execute("select count(*) from identity.identity_edges").fetchone()
    connection.execute("drop table people")
    large = 300_000 * ((records // 2) // 300_000)
    old, heir = (connection.execute(f"select md5('shop:customers:{n}')").fetchone() for n in (901, 900))
    connection.close()
    print(f"{records:,} records, {row[0] if row else 0:,} edges, {path.stat().st_size / 1e6:.0f} MB")
    return {
        "a record": ["shop:customers:777"],
        "two records of a person of 300": [f"shop:customers:{large}", f"shop:customers:{large + 299}"],
        "a merged-away id and its heir": [str(old[0]), str(heir[0])] if old and heir else [],
        "an identifier": ["p777@example.com"],
        "two people": ["shop:customers:777", "shop:customers:1777"],
    }


def main() -> None:
    """Build, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--edges", type=int, default=1_500_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kinship-explain-") as folder:
        questions = build(Path(folder) / "warehouse.duckdb", given.records, given.edges)
        environment = {**os.environ, "KINSHIP_DATA": folder}
        environment.pop("KINSHIP_WAREHOUSE", None)
        for name, references in questions.items():
            seconds, before = [], os.times()
            for _ in range(REPEATS):
                started = time.perf_counter()
                done = subprocess.run(
                    [KINSHIP, "explain", *references], env=environment, capture_output=True, text=True
                )
                seconds.append(time.perf_counter() - started)
                assert done.returncode == 0, done.stderr
            after = os.times()
            cpu = after.children_user + after.children_system - before.children_user - before.children_system
            print(f"{name:32} {min(seconds):.2f} to {max(seconds):.2f} s, {cpu / REPEATS:.2f} s of them computing")


if __name__ == "__main__":
    main()
