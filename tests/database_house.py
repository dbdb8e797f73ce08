"""Databases that tests fill, and what of them stands in the raw tables of zendesk."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from extract_house import query
from servers import mariadb, postgres

Database = postgres.Database | mariadb.Database
SERVERS: dict[str, Callable[..., AbstractContextManager[Any]]] = {
    "postgres": postgres.database,
    "mariadb": mariadb.database,
}
STAMP = {"postgres": "timestamptz", "mariadb": "timestamp(6) null"}
# the tables of zendesk that the tests fill: a key and a time of change
TABLE = "create table users (id bigint primary key, name varchar(100), updated_at {stamp})"


def stands(table: str = "users") -> list[tuple[Any, ...]]:
    """(id, name, microseconds of change) of the latest appearance of each record that is not deleted, as staging
    sees it."""
    return query(
        f"""select id, name, epoch_us(cast(updated_at as timestamp)) from (
            select *, row_number() over (
                partition by id
                order by try_cast(updated_at as timestamptz) desc nulls last, _extracted_at desc, _file desc
            ) as appearance
            from raw_zendesk.{table} inner join (
                select file_id as _file_id, file as _file, extracted_at as _extracted_at
                from raw_zendesk.extracted_files where is_current
            ) using (_file_id)
        ) where appearance = 1 and {deleted(table)} is null order by cast(id as bigint)"""
    )


def deleted(table: str) -> str:
    has = query(
        "select 1 from information_schema.columns where table_schema = 'raw_zendesk' "
        f"and table_name = '{table}' and column_name = '_kinship_deleted_at'"
    )
    return "_kinship_deleted_at" if has else "null"


def holds(server: Database) -> list[tuple[Any, ...]]:
    """The same of the database, by its own client."""
    seconds = (
        "extract(epoch from updated_at)" if isinstance(server, postgres.Database) else "unix_timestamp(updated_at)"
    )
    rows = server.query(f"select id, name, {seconds} * 1000000 from users order by id")
    return [(str(id_), name, int(changed)) for id_, name, changed in rows]


def insert(server: Database, ids: range | list[int], at: str = "2026-01-01 10:00:00", name: str = "n") -> None:
    rows = ", ".join(f"({id_}, '{name}{id_}', '{at}')" for id_ in ids)
    server.query(f"insert into users values {rows}")


def compare_always() -> None:
    os.environ["KINSHIP_ZENDESK_COMPARE_HOURS"] = "0"
