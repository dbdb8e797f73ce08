"""What others make of the same rows: exact keys, and Splink with the settings of its own documentation.

Each rival is a program of its own, so that seconds and memory are measured as Kinship's are:

    python benchmarks/identity_rivals.py exact    --rows FILE --id COLUMN --columns first_name=given_name,... --out FILE
    python benchmarks/identity_rivals.py keys     --rows FILE --out FILE
    python benchmarks/identity_rivals.py splink   --rows FILE --id COLUMN --columns ... --settings NAME --out FILE

`FILE` is Parquet. Out come `record` and `cluster`, one row per record. `keys` takes rows of `record` and `key`: records
that share a key are one person, whatever the key.
"""

import argparse
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kinship.sql import quoted

Columns = dict[str, str]


def parse_columns(text: str) -> Columns:
    """`first_name=given_name,dob=birth_date` as column -> type."""
    return dict(pair.split("=", 1) for pair in text.split(","))  # type: ignore[misc]


def _of_type(columns: Columns, *types: str) -> list[str]:
    return [column for column, kind in columns.items() if kind in types]


# ---- exact keys


def key_rows(rows: str, identifier: str, columns: Columns) -> pa.Table:
    """The keys of a table of people: e-mail, phone, national id, and name with birth date; rows of `record`, `key`.

    Lower case without blanks around; a phone by its digits alone. A key with an empty part is no key.
    """

    def text(column: str) -> str:
        return f"nullif(lower(trim(cast({quoted(column)} as varchar))), '')"

    keys = [f"'{kind}:' || {text(column)}" for kind in ("email", "national_id") for column in _of_type(columns, kind)]
    keys += [
        f"'phone:' || nullif(regexp_replace({text(c)}, '[^0-9]', '', 'g'), '')" for c in _of_type(columns, "phone")
    ]
    names, births = _of_type(columns, "given_name", "family_name", "full_name"), _of_type(columns, "birth_date")
    if names and births:
        keys.append("'name:' || " + " || '|' || ".join(text(column) for column in names + births))
    selects = [f"select cast({quoted(identifier)} as varchar) as record, {key} as key from rows" for key in keys]
    connection = duckdb.connect()
    connection.execute(f"create view rows as from read_parquet('{rows}')")
    return connection.execute(" union all ".join(selects)).to_arrow_table()


def solve(keys: pa.Table) -> pa.Table:
    """Connected components of records and keys (rows of `record`, `key`; a NULL key ties a record to nothing)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    records = keys["record"].combine_chunks().dictionary_encode()
    values = keys["key"].combine_chunks().dictionary_encode()
    left = records.indices.to_numpy()
    has_key = values.is_valid().to_numpy(zero_copy_only=False)
    right = values.indices.fill_null(0).to_numpy() + len(records.dictionary)
    size = len(records.dictionary) + len(values.dictionary)
    ends = (left[has_key], right[has_key])
    graph = coo_array((np.ones(len(ends[0]), dtype=np.int8), ends), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    return pa.table({"record": records.dictionary, "cluster": labels[: len(records.dictionary)]})


# ---- Splink


def _blocking(columns: Columns) -> tuple[list[list[str]], list[list[str]], list[list[str]]]:
    """Rules to predict, rules that are proof for the prior, and rules to train on, as lists of SQL expressions.

    The rules of Splink's example for 50,000 historical people (names, birth date, postcode, place, and their first
    letters), with e-mail, phone and national id as rules of their own; a rule whose columns are absent is left out.
    """

    def one(*types: str) -> str | None:
        found = _of_type(columns, *types)
        return found[0] if found else None

    given, family = one("given_name", "full_name"), one("family_name")
    birth, post, city = one("birth_date"), one("postcode"), one("city")
    unique = _of_type(columns, "email", "phone", "national_id")

    def start(column: str | None, letters: int) -> str | None:
        return f"substr({column}, 1, {letters})" if column else None

    wanted = [
        [start(given, 3), start(family, 4)],
        [family, birth],
        [given, birth],
        [post, given],
        [post, family],
        [birth, city],
        [start(post, 3), birth],
        [start(post, 3), given],
        [start(post, 3), family],
        [start(given, 2), start(family, 2), start(birth, 4)],
        *([column] for column in unique),
    ]
    proof = [[given, family, birth], [birth, post], *([column] for column in unique if columns[column] != "phone")]
    if not birth:
        proof.append([given, family, post or city])
    train = [[given, family], [birth], [post], *([column] for column in unique)]

    def complete(rules: list[list[str | None]]) -> list[list[str]]:
        return [[part for part in rule if part] for rule in rules if all(rule)]

    return complete(wanted), complete(proof), complete(train)


def _generic(columns: Columns) -> dict[str, Any]:
    """By type of column the comparison Splink's documentation gives for it; threshold of its example for 50,000."""
    import splink.comparison_library as cl
    from splink import block_on

    of_type: dict[str, Callable[[str], Any]] = {
        "given_name": cl.NameComparison,
        "family_name": cl.NameComparison,
        "full_name": cl.NameComparison,
        "birth_date": lambda column: cl.DateOfBirthComparison(column, input_is_string=True),
        "email": cl.EmailComparison,
        "phone": lambda column: cl.LevenshteinAtThresholds(column, 2),
        "national_id": lambda column: cl.DamerauLevenshteinAtThresholds(column, [2]),
    }

    # postcodes too, as for FEBRL: PostcodeComparison knows British ones only, and finds all others alike
    def exact(column: str) -> Any:
        return cl.ExactMatch(column).configure(term_frequency_adjustments=True)

    used = {column: kind for column, kind in columns.items() if kind != "ignore"}
    predict, proof, train = _blocking(used)
    return {
        "comparisons": [of_type.get(kind, exact)(column) for column, kind in used.items()],
        "predict": [block_on(*rule) for rule in predict],
        "proof": [block_on(*rule) for rule in proof],
        "train": [block_on(*rule) for rule in train],
        "sessions": 2,
        "recall": 0.6,
        "max_pairs": 1e7,
        "threshold": 0.95,
    }


def _labels() -> dict[str, Any]:
    """The example "Evaluation when you have fully labelled data", at the threshold it shows; its data are fake_1000.

    Of the documented models for these data the best: the README's comes to F1 .64, the tutorial's to .58.
    """
    import splink.comparison_library as cl
    from splink import block_on

    return {
        "comparisons": [
            cl.ForenameSurnameComparison("first_name", "surname"),
            cl.DateOfBirthComparison("dob", input_is_string=True),
            cl.ExactMatch("city").configure(term_frequency_adjustments=True),
            cl.EmailComparison("email"),
        ],
        "predict": [block_on(column) for column in ("first_name", "surname", "dob", "email")],
        "proof": [
            "l.first_name = r.first_name and levenshtein(r.dob, l.dob) <= 1",
            "l.surname = r.surname and levenshtein(r.dob, l.dob) <= 1",
            "l.first_name = r.first_name and levenshtein(r.surname, l.surname) <= 2",
            "l.email = r.email",
        ],
        "train": [block_on("dob"), block_on("email"), block_on("first_name", "surname")],
        "train_options": {"estimate_without_term_frequencies": True},
        "recall": 0.7,
        "max_pairs": 1e6,
        "threshold": 0.5,
    }


def _febrl() -> dict[str, Any]:
    """The example "Deduplicating the febrl3 dataset", at the threshold at which it predicts."""
    import splink.comparison_library as cl
    from splink import block_on

    return {
        "comparisons": [
            cl.NameComparison("given_name"),
            cl.NameComparison("surname"),
            cl.DateOfBirthComparison("date_of_birth", input_is_string=True, datetime_format="%Y%m%d"),
            cl.DamerauLevenshteinAtThresholds("soc_sec_id", [2]),
            cl.ExactMatch("street_number").configure(term_frequency_adjustments=True),
            cl.ExactMatch("postcode").configure(term_frequency_adjustments=True),
        ],
        "predict": [
            block_on(column) for column in ("soc_sec_id", "given_name", "surname", "date_of_birth", "postcode")
        ],
        "proof": [
            block_on("soc_sec_id"),
            block_on("given_name", "surname", "date_of_birth"),
            "l.given_name = r.surname and l.surname = r.given_name and l.date_of_birth = r.date_of_birth",
        ],
        "train": [block_on("date_of_birth"), block_on("postcode")],
        "recall": 0.9,
        "max_pairs": 1e6,
        "threshold": 0.2,
    }


SETTINGS: dict[str, Callable[[Columns], dict[str, Any]]] = {
    "generic": _generic,
    "labels": lambda columns: _labels(),
    "febrl": lambda columns: _febrl(),
}


def link(rows: str, identifier: str, columns: Columns, name: str) -> pa.Table:
    """Train, predict and cluster as the documentation does; every record comes back, alone or not."""
    from splink import DuckDBAPI, Linker, SettingsCreator

    logging.getLogger("splink").setLevel(logging.ERROR)
    wanted = SETTINGS[name](columns)
    api = DuckDBAPI()
    texts = ", ".join(
        f"nullif(trim(cast({quoted(column)} as varchar)), '') as {quoted(column)}"
        for column, kind in columns.items()
        if kind != "ignore"
    )
    api.duckdb_con.execute(
        f"create table people as select cast({quoted(identifier)} as varchar) as record, {texts} "
        f"from read_parquet('{rows}')"
    )
    settings = SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="record",
        comparisons=wanted["comparisons"],
        blocking_rules_to_generate_predictions=wanted["predict"],
    )
    linker = Linker(api.register(api.duckdb_con.table("people")), settings)
    linker.training.estimate_probability_two_random_records_match(wanted["proof"], recall=wanted["recall"])
    linker.training.estimate_u_using_random_sampling(max_pairs=wanted["max_pairs"], seed=1)
    trained = 0
    for rule in wanted["train"]:
        try:
            linker.training.estimate_parameters_using_expectation_maximisation(rule, **wanted.get("train_options", {}))
            trained += 1
        except Exception as error:
            # too few equal values to learn from: whoever uses Splink takes another rule then
            if "EMTraining" not in type(error).__name__ and "m_probability" not in str(error):
                raise
        if trained == wanted.get("sessions", len(wanted["train"])):
            break
    pairs = linker.inference.predict(threshold_match_probability=min(0.2, wanted["threshold"]))
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(
        pairs, threshold_match_probability=wanted["threshold"]
    )
    return clusters.as_duckdbpyrelation().select("record, cluster_id as cluster").to_arrow_table()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rival", choices=("exact", "keys", "splink"))
    parser.add_argument("--rows", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--id", dest="identifier")
    parser.add_argument("--columns", type=parse_columns)
    parser.add_argument("--settings", choices=tuple(SETTINGS), default="generic")
    asked = parser.parse_args()
    if asked.rival == "keys":
        clusters = solve(pq.read_table(asked.rows))
    elif asked.rival == "exact":
        clusters = solve(key_rows(asked.rows, asked.identifier, asked.columns))
    else:
        clusters = link(asked.rows, asked.identifier, asked.columns, asked.settings)
    pq.write_table(clusters, asked.out)


if __name__ == "__main__":
    main()
