# ruff: noqa: S608 - the names in these queries come from this package, never from data
"""Trains a model on the records themselves, without labels."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components as scipy_components

from kinship.identity.matching import blocking, columns, engine, scoring, surroundings
from kinship.identity.matching.comparisons import Comparison, as_splink, comparisons_for
from kinship.identity.matching.model import Model

FEWEST_RECORDS = 300
"""With fewer records than this the shipped parameters are better than anything that could be estimated."""

FEWEST_MATCHES = 50
"""A training session with fewer expected matches than this is not listened to."""

U_PAIRS = 1e6
EM_PAIRS = 1e6
ROUNDS = 3
MOST_STRANGERS = 0.1
"""Where more of the pairs of a block are of two people, EM may take for the matches what is merely a family."""

SHIPPED_COUNTS_FOR = 30
"""Shipped shares count for as much as so many matches."""

DIFFERS_ALTHOUGH_ONE = 0.08
DIFFERS_IF_TWO = 0.95
LARGEST_BLOCK = 250
RAREST = 0.3
MOST_WITNESSED = 25
"""Values that more records have are common enough for one person to make no difference."""

_FREQUENCY = {"attribute": pa.string(), "value": pa.string(), "frequency": pa.float64()}
SURE = math.log2(0.9999 / 0.0001)


def train(records: pa.Table, *, seed: int = 1, threads: int = 2, memory: str | None = None) -> Model:
    """A model for records like these: node_id (bigint) and attributes in normal form, as text.

    The same records in any order and the same seed give the same model.
    """
    with engine.connection(threads, memory) as opened:
        opened.register("records", records)
        known = columns.usable_columns(opened, "records")
        comparisons = comparisons_for(known)
        count = records.num_rows
        facts: dict[str, Any] = {"records": count, "seed": seed}
        if not comparisons or count < 2:
            nothing = pa.table({name: pa.array([], kind) for name, kind in _FREQUENCY.items()})
            return Model(known, {}, [], 3, facts, nothing)
        scoring.prepare(opened, known)
        counts = counts_of(opened, comparisons)
        settings = _settings(comparisons, first_guess(count))
        matches = 0.5
        if count >= FEWEST_RECORDS:
            facts["sessions"], matches = _learn(opened, settings, comparisons, counts, seed)
            facts["matches_per_record"] = _rounded(matches)
        frequencies = frequencies_of(opened, counts, comparisons, settings, matches)
        _set_frequencies(settings, comparisons)
        scoring.prepare(opened, known, frequencies, count)
        opened.unregister("records")
        rules, expected = _choose_rules(opened, settings, comparisons, known, count, seed)
        facts["expected_matches"] = round(expected, 3)
        if count >= FEWEST_RECORDS:
            settings["probability_two_random_records_match"] = _rounded(
                min(max(expected, 0.02 * count), 50.0 * count) / (count * (count - 1) / 2)
            )
        model = Model(known, settings, rules, 3, facts, frequencies)
        largest = _largest(opened, model, count, seed)
        return Model(known, settings, rules, largest, facts, frequencies)


def first_guess(count: int) -> float:
    """The probability that two random records match, before anything is known: half a match per record."""
    return _rounded(min(0.1, 0.5 / max(count - 1, 1)))


def _rounded(value: float) -> float:
    """Six digits: sums of floating-point numbers differ in the last ones with the order of rows."""
    return float(f"{value:.6g}")


def counts_of(opened: duckdb.DuckDBPyConnection, comparisons: list[Comparison]) -> pa.Table:
    """attribute, value, records: how many records have which value."""
    attributes = sorted({level.frequency for each in comparisons for level in each.levels if level.frequency})
    parts = [
        f"select '{attribute}' as attribute, {attribute} as value, count(*) as records"
        f" from prepared where {attribute} is not null group by {attribute}"
        for attribute in attributes
    ]
    if not parts:
        return pa.table({"attribute": pa.array([], pa.string()), "value": [], "records": pa.array([], pa.int64())})
    return opened.execute(" union all ".join(parts) + " order by attribute, value").to_arrow_table()


def frequencies_of(
    opened: duckdb.DuckDBPyConnection,
    counts: pa.Table,
    comparisons: list[Comparison],
    settings: dict[str, Any],
    matches: float,
) -> pa.Table:
    """attribute, value, frequency: the chance that another person's record has the value of this one.

    Of the n records with a value one is this record itself, and some are of the same person. How many are not is told
    by a witness among the pairs of records that have the value (surroundings.py): a switchboard's number is shared by
    different given names, a mobile number is not. Where no pair has a witness the average counts: n - 1 - matches per
    record. Nothing is rarer than RAREST of a record.
    """
    schema = pa.schema(list(_FREQUENCY.items()))
    if counts.num_rows == 0:
        return schema.empty_table()
    total = _scalar(opened, "select count(*) from prepared")
    opened.register("counts", counts)
    opened.execute(
        "create or replace table witnessed (attribute varchar, value varchar, pairs double, strangers double)"
    )
    own = {}
    for comparison, written in zip(comparisons, settings["comparisons"], strict=True):
        reached = 0.0
        for level, entry in zip(comparison.levels, written["comparison_levels"][1:], strict=False):
            # those who agree on the finer attribute agree on the coarser one
            reached += entry["m_probability"]
            if not level.frequency:
                continue
            filled = _scalar(opened, f"select count({level.frequency}) from prepared") / total
            own[level.frequency] = 1 + matches * reached * filled
            found = surroundings.witness([each for each in comparisons if each.name != comparison.name])
            if found is None or total < FEWEST_RECORDS:
                continue
            m_differs, u_differs = surroundings.chances(found[0], settings)
            if u_differs - m_differs < 0.3:
                continue
            attribute = level.frequency
            opened.execute(
                f"""
                insert into witnessed
                select
                    '{attribute}',
                    l.{attribute},
                    count(differing),
                    greatest(count(*) filter (differing) - {m_differs} * count(differing), 0) / {u_differs - m_differs}
                from (
                    select l, r, {surroundings.of_records(found[1])} as differing
                    from (
                        select prepared.* from prepared
                        join counts on attribute = '{attribute}' and value = prepared.{attribute}
                        where records between 2 and {MOST_WITNESSED}
                    ) as l
                    join prepared as r on l.{attribute} = r.{attribute} and l.node_id < r.node_id
                )
                group by all
                """
            )
    opened.register("own", pa.table({"attribute": list(own), "own": list(own.values())}))
    result = opened.execute(
        f"""
        select
            attribute,
            value,
            -- each record with the value meets records - 1 others: the share of strangers among them, and one pair's
            -- worth of the average
            greatest(
                case
                    when pairs > 0 then
                        (records - 1) * (strangers + greatest(records - own, {RAREST}) / greatest(records - 1, 1))
                        / (pairs + 1)
                    else records - own
                end,
                {RAREST}
            ) / sum(records) over (partition by attribute) as frequency
        from counts join own using (attribute) left join witnessed using (attribute, value)
        order by attribute, value
        """
    ).to_arrow_table()
    opened.unregister("counts")
    opened.unregister("own")
    opened.execute("drop table witnessed")
    rounded = [_rounded(value) for value in result["frequency"].to_pylist()]
    return result.set_column(2, "frequency", pa.array(rounded, pa.float64())).cast(schema)


def _settings(comparisons: list[Comparison], prior: float) -> dict[str, Any]:
    return {
        "link_type": "dedupe_only",
        "unique_id_column_name": "node_id",
        "comparisons": [as_splink(each) for each in comparisons],
        "blocking_rules_to_generate_predictions": [],
        "probability_two_random_records_match": prior,
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": True,
        "linker_uid": "kinship",
    }


_SESSION_COLUMNS = {
    "given_name": "given",
    "family_name": "family",
    "birth_date": "born",
    "email": "email",
    "phone": "phone",
    "street": "street",
    "postcode": "zip",
    "city": "city",
    "national_id": "national_id",
}
_PERSONAL = ({"birth_date"}, {"national_id"}, {"given_name", "family_name"})
"""What a session may be blocked on whatever the data: those who share it by chance have nothing else in common."""

_NAMES = {"given_name", "family_name"}
_ADDRESS = {"postcode", "street"}
LEAST_AT_HOME = 0.25
"""Where fewer of the pairs with one name have one address, nearly all are of namesakes, who have more in common than
strangers do: a name is of a country, and so is a city. Of the demo company's pairs with one name 39 % have one postcode
at 100,000 people, and 43 % are of one person; at a million 8 % have one postcode, and EM said that 99.98 % are of one
person. Of pairs with one name and one postcode 98 % are, and EM says 99.8 %."""

COARSE = 0.1
"""What more than this share of strangers agree on (country, sex) is mostly told by the name already."""


@dataclass(frozen=True)
class Session:
    """Pairs that agree on some comparisons, from which EM learns the others."""

    blocked: tuple[str, ...]
    columns: tuple[str, ...]
    pairs: float


def _sessions(opened: duckdb.DuckDBPyConnection, comparisons: list[Comparison]) -> list[Session]:
    """What EM is blocked on, so that each comparison is learned in two sessions where that can be had.

    In a block of people who share a home or an employer the two groups that EM finds are families, not persons. So
    what people share is blocked on only where given names differ so seldom that nearly all pairs are of one person.
    """
    present = {each.name for each in comparisons}
    parts = {name: column for name, column in _SESSION_COLUMNS.items() if name in present}
    parts |= {name: name for name in present if name.startswith("other_")}
    total = _scalar(opened, "select count(*) from prepared")
    costed: list[Session] = []
    for size in (1, 2, 3):
        for option in combinations(sorted(parts), size):
            chosen = tuple(parts[name] for name in option)
            if any(set(option) > set(known.blocked) for known in costed):
                continue  # a coarser block that can be afforded teaches more
            if set(option) > _NAMES and not set(option) & _ADDRESS:
                continue  # nothing else sets namesakes apart
            pairs = _blocked_pairs(opened, chosen)
            # too few pairs teach nothing, and where few pairs are of one person EM finds something else
            if not FEWEST_MATCHES <= pairs <= 15 * total:
                continue
            if set(option) == _NAMES and _share_at_home(opened, chosen, present) < LEAST_AT_HOME:
                continue
            if (
                not any(personal <= set(option) for personal in _PERSONAL)
                and _share_strangers(opened, option, chosen, comparisons) > MOST_STRANGERS
            ):
                continue
            costed.append(Session(option, chosen, pairs))
    costed.sort(key=lambda each: (len(each.blocked), -each.pairs, each.blocked))
    taught: dict[str, int] = dict.fromkeys(present, 0)
    sessions: list[Session] = []
    while len(sessions) < 6 and costed:
        gains = [sum(taught[name] < 2 for name in present - set(each.blocked)) for each in costed]
        best = int(np.argmax(gains))
        if gains[best] == 0:
            break
        session = costed.pop(best)
        sessions.append(session)
        for name in present - set(session.blocked):
            taught[name] += 1
    return sessions


def _share_strangers(
    opened: duckdb.DuckDBPyConnection, blocked: tuple[str, ...], chosen: tuple[str, ...], comparisons: list[Comparison]
) -> float:
    """The share of pairs of two people in a block, told by how often a witness differs; 0 where there is none."""
    witness = surroundings.witness([each for each in comparisons if each.name not in blocked])
    if witness is None:
        return 0.0
    same = " and ".join(f"l.{column} = r.{column}" for column in chosen)
    row = opened.execute(
        f"""
        select count(differing), count(*) filter (differing)
        from (
            select {surroundings.of_records(witness[1])} as differing
            from (select * from prepared order by md5(node_id::varchar) limit 5000) as l
            join prepared as r on {same} and l.node_id <> r.node_id
        )
        """
    ).fetchone()
    if row is None or row[0] == 0:
        return 0.0
    return max(0.0, float(row[1] / row[0] - DIFFERS_ALTHOUGH_ONE) / (DIFFERS_IF_TWO - DIFFERS_ALTHOUGH_ONE))


def _share_at_home(opened: duckdb.DuckDBPyConnection, chosen: tuple[str, ...], present: set[str]) -> float:
    """The share of the pairs of a block that have one address, of those that have any; 1 where there is none."""
    address = next((_SESSION_COLUMNS[name] for name in sorted(_ADDRESS) if name in present), None)
    if address is None:
        return 1.0
    same = " and ".join(f"l.{column} = r.{column}" for column in chosen)
    share = opened.execute(
        f"select avg((l.{address} = r.{address})::int)"
        " from (select * from prepared order by md5(node_id::varchar) limit 5000) as l"
        f" join prepared as r on {same} and l.node_id <> r.node_id"
    ).fetchone()
    return 1.0 if share is None or share[0] is None else float(share[0])


def _scalar(opened: duckdb.DuckDBPyConnection, sql: str) -> float:
    row = opened.execute(sql).fetchone()
    return float(row[0]) if row and row[0] is not None else 0.0


def _learn(
    opened: duckdb.DuckDBPyConnection,
    settings: dict[str, Any],
    comparisons: list[Comparison],
    counts: pa.Table,
    seed: int,
) -> tuple[list[dict[str, Any]], float]:
    """Fills m and u in the settings by Splink: u from random pairs, m by expectation maximisation.

    Returns what was done in each session, and the matches per record that the sessions agree on. Random pairs hold
    matches too, and where people have many records they are most of the pairs that agree on anything rare: u is
    corrected for them, and m is estimated again with the corrected u, until both have settled.
    """
    count = int(_scalar(opened, "select count(*) from prepared"))
    sessions = _sessions(opened, comparisons)
    # Splink leaves out every comparison that a blocking rule touches, and names touch each other; so rules read
    # copies
    copies = sorted({column for each in sessions for column in each.columns})
    if copies:
        opened.execute(
            "create or replace table prepared as select *, "
            + ", ".join(f"{column} as block_{column}" for column in copies)
            + " from prepared"
        )
    with engine.quiet():
        linker = engine.linker(opened, deepcopy(settings), "prepared")
        linker.training.estimate_u_using_random_sampling(
            max_pairs=U_PAIRS + 1,  # Splink warns of its default, a million
            seed=seed,
            min_count_per_level=None,
            num_chunks=1,
        )
        sampled = linker.misc.save_model_to_json()
    observed: dict[tuple[str, str], float] = {}
    shipped_ratio: dict[tuple[str, str], float] = {}
    for comparison, before in zip(sampled["comparisons"], settings["comparisons"], strict=True):
        name = comparison["output_column_name"]
        for level, unlearned in zip(comparison["comparison_levels"][1:], before["comparison_levels"][1:], strict=True):
            label = level["label_for_charts"]
            shipped_ratio[name, label] = unlearned["m_probability"] / unlearned["u_probability"]
            # where Splink saw none it leaves the shipped value
            if level["u_probability"] != unlearned["u_probability"]:
                observed[name, label] = level["u_probability"]
    for comparison in comparisons:
        if comparison.levels[0].frequency:
            observed[comparison.name, "exact"] = _chance(counts, comparison.levels[0].frequency)
    filled = {
        comparison.name: _scalar(opened, f"select avg((not ({_one_record(comparison.missing)}))::int) from prepared")
        for comparison in comparisons
    }
    matches = first_guess(count) * (count - 1)
    _correct(settings, observed, shipped_ratio, matches / (count - 1))
    threads = _scalar(opened, "select current_setting('threads')")
    opened.execute("set threads = 1")  # sums in a fixed order: the same data give the same model
    done: list[dict[str, Any]] = []
    prior_m = [
        [level["m_probability"] for level in comparison["comparison_levels"][1:]]
        for comparison in settings["comparisons"]
    ]
    for _ in range(ROUNDS):
        done = []
        taught: dict[tuple[str, str], list[float]] = {}
        per_record: list[float] = []
        m_exact = {
            each["output_column_name"]: each["comparison_levels"][1]["m_probability"]
            for each in settings["comparisons"]
        }
        for each in sessions:
            rule = " and ".join(f"l.block_{column} = r.block_{column}" for column in each.columns)
            reach = max(0.05, math.prod(m_exact[name] * filled[name] for name in each.blocked))
            within = settings | {
                "comparisons": [one for one in settings["comparisons"] if _tells_within(one, each)],
                "probability_two_random_records_match": min(0.9, max(0.01, matches * reach * count / 2 / each.pairs)),
            }
            with engine.quiet():
                linker = engine.linker(opened, deepcopy(within), "prepared")
                try:
                    session = linker.training.estimate_parameters_using_expectation_maximisation(
                        rule, estimate_without_term_frequencies=True, max_pairs=EM_PAIRS
                    )
                except ValueError:
                    # Splink refuses an m of nothing: the block holds no pair of one person that shows this level
                    continue
            share = session.core_model_settings.probability_two_random_records_match
            if share * each.pairs < FEWEST_MATCHES:
                continue
            per_record.append(2 * share * each.pairs / count / reach)
            done.append({"blocked_on": list(each.blocked), "pairs": round(each.pairs), "share": _rounded(share)})
            for comparison in session.core_model_settings.comparisons:
                for level in comparison._comparison_levels_excluding_null:
                    if isinstance(level.m_probability, float):
                        taught.setdefault((comparison.output_column_name, level.label_for_charts), []).append(
                            level.m_probability
                        )
        heard = sum(each["pairs"] * each["share"] for each in done) / max(len(done), 1)
        for comparison, shipped in zip(settings["comparisons"], prior_m, strict=True):
            name = comparison["output_column_name"]
            for level, before in zip(comparison["comparison_levels"][1:], shipped, strict=True):
                values = taught.get((name, level["label_for_charts"]))
                if values:
                    learned = float(np.median(values))
                    level["m_probability"] = (learned * heard + before * SHIPPED_COUNTS_FOR) / (
                        heard + SHIPPED_COUNTS_FOR
                    )
            _repair(comparison)
        if per_record:
            matches = min(max(float(np.median(per_record)), 0.02), 50.0)
        settings["probability_two_random_records_match"] = _rounded(min(0.2, matches / (count - 1)))
        _correct(settings, observed, shipped_ratio, matches / (count - 1))
    opened.execute(f"set threads = {int(threads)}")
    return done, matches


def _tells_within(comparison: dict[str, Any], session: Session) -> bool:
    """Whether a comparison says something in a block: not when all its pairs, or all namesakes, agree on it."""
    if comparison["output_column_name"] in session.blocked:
        return False
    return not set(session.blocked) >= _NAMES or comparison["comparison_levels"][1]["u_probability"] < COARSE


def _one_record(missing: str) -> str:
    """The part of a condition about missing values that is about one of the two records."""
    return missing.split(" or ")[0].replace("_l is null", " is null")


def _blocked_pairs(opened: duckdb.DuckDBPyConnection, chosen: tuple[str, ...]) -> float:
    keyed = " and ".join(f"{column} is not null" for column in chosen)
    return _scalar(
        opened,
        "select coalesce(sum(n * (n - 1) / 2), 0) from"
        f" (select count(*)::bigint as n from prepared where {keyed} group by {', '.join(chosen)})",
    )


def _chance(counts: pa.Table, attribute: str) -> float:
    """The share of random pairs that agree on an attribute, counted over all pairs."""
    chosen = counts.filter(pc.equal(counts["attribute"], attribute))["records"].to_numpy().astype(float)
    total = float(chosen.sum())
    return float((chosen * (chosen - 1)).sum() / max(total * (total - 1), 1.0))


def _correct(
    settings: dict[str, Any],
    observed: dict[tuple[str, str], float],
    shipped: dict[tuple[str, str], float],
    prior: float,
) -> None:
    """Takes the matches out of what random pairs showed: u = (share - prior x m) / (1 - prior).

    A level that was hardly seen among random pairs keeps the weight it was shipped with.
    """
    for comparison in settings["comparisons"]:
        name = comparison["output_column_name"]
        for level in comparison["comparison_levels"][1:]:
            place = name, level["label_for_charts"]
            m = level["m_probability"]
            share = observed.get(place, 0.0)
            if share * U_PAIRS < 5:
                level["u_probability"] = m / shipped[place]
            else:
                level["u_probability"] = max((share - prior * m) / (1 - prior), share / 50, 1e-7)
        _repair(comparison)


def _repair(comparison: dict[str, Any]) -> None:
    """Keeps learned parameters sane: nothing is impossible or certain, exact agreement never speaks against a
    match."""
    levels = comparison["comparison_levels"][1:]
    for level in levels:
        level["m_probability"] = max(level["m_probability"], 1e-4)
        level["u_probability"] = max(level["u_probability"], 1e-7)
    levels[0]["m_probability"] = max(levels[0]["m_probability"], levels[0]["u_probability"])
    for kind in ("m_probability", "u_probability"):
        total = sum(level[kind] for level in levels)
        for level in levels:
            level[kind] = _rounded(level[kind] / total)


def _set_frequencies(settings: dict[str, Any], comparisons: list[Comparison]) -> None:
    for comparison, written in zip(comparisons, settings["comparisons"], strict=True):
        for level, entry in zip(comparison.levels, written["comparison_levels"][1:], strict=False):
            if level.frequency:
                entry["tf_adjustment_column"] = level.frequency
                entry["tf_adjustment_weight"] = 1.0


def _choose_rules(
    opened: duckdb.DuckDBPyConnection,
    settings: dict[str, Any],
    comparisons: list[Comparison],
    known: list[str],
    count: int,
    seed: int,
) -> tuple[list[blocking.Rule], float]:
    """The blocking rules, and how many matches are expected among all pairs."""
    keys = blocking.keys_for(known)
    blocking.create_keys(opened, keys)
    budget = min(400.0 * count, 4e6 + 75.0 * count)
    options = blocking.candidates(opened, keys, count, LARGEST_BLOCK, budget / 3)
    if not options:
        return [], 0.0
    # every option is tried for some records against all, so that what an option finds is seen without scoring all
    # pairs
    each = sum(2 * option.pairs / count for option in options)
    seeds = min(count, max(200, min(4000, round(6e6 / max(each, 1.0)))))
    opened.execute(
        f"create or replace table seeds as select * from keys order by md5(node_id || '_{seed}'), node_id limit {seeds}"
    )
    opened.execute("create or replace table pool (left_id bigint, right_id bigint)")
    stopped = [
        blocking.stopped_values(opened, list(option.places), LARGEST_BLOCK) if option.has_stopped else []
        for option in options
    ]
    for option, values in zip(options, stopped, strict=True):
        name = "stopped" if values else None
        if values:
            opened.register("stopped", pa.table({"digest": values}))
        opened.execute(f"insert into pool {blocking.pairs_sql(list(option.places), 'seeds', name)}")
        if values:
            opened.unregister("stopped")
    opened.execute("create or replace table pairs as select distinct left_id, right_id from pool")
    opened.execute("drop table pool")
    if count >= FEWEST_RECORDS:
        extra = surroundings.measure(
            opened, comparisons, settings, "pairs", seeds * (count - 1) - seeds * (seeds - 1) / 2
        )
        if extra:
            settings["comparisons"].append(extra)
    scored = scoring.score_pairs(opened, settings, "pairs", least_weight=-12.0)
    opened.register("scored", scored)
    # a pair of two seeds speaks for both of them
    table = opened.execute(
        """
        select scored.left_id, scored.right_id, match_weight, 1 + (one.node_id is not null and two.node_id is not
        null)::int as times from scored left join seeds as one on one.node_id = scored.left_id left join seeds as two
        on two.node_id = scored.right_id order by 1, 2
        """
    ).to_arrow_table()
    opened.unregister("scored")
    weight = table["match_weight"].to_numpy()
    times = table["times"].to_numpy().astype(float)
    expected, shift = _expected(weight, times, seeds, count, settings["probability_two_random_records_match"])
    chance = 1 / (1 + np.exp2(-(weight + shift)))
    likely = chance >= 0.1
    opened.register("likely", table.filter(pa.array(likely)).select(["left_id", "right_id"]))
    opened.execute("create or replace table likely_keys as select likely.left_id, likely.right_id from likely")
    opened.unregister("likely")
    tests = ", ".join(
        " and ".join(f"coalesce(one.k{place} = two.k{place}, false)" for place in option.places) for option in options
    )
    reached = opened.execute(
        f"select {tests} from likely_keys"
        " join keys as one on one.node_id = left_id join keys as two on two.node_id = right_id"
        " order by left_id, right_id"
    ).fetchnumpy()
    matrix = np.array([np.asarray(column, dtype=bool) for column in reached.values()]).reshape(len(options), -1)
    chosen = blocking.choose(
        np.array([option.pairs for option in options]), matrix, (chance * times)[likely], budget, count
    )
    rules = [
        blocking.Rule(
            tuple(keys[place].name for place in options[rule].places),
            comparisons=round(options[rule].pairs),
            found=round(found, 4),
            added=round(added, 4),
            stopped=blocking.stopped_values(opened, list(options[rule].places), LARGEST_BLOCK),
        )
        for rule, found, added in chosen
    ]
    return rules, expected


def _expected(
    weight: np.ndarray[Any, Any], times: np.ndarray[Any, Any], seeds: int, count: int, prior: float
) -> tuple[float, float]:
    """Matches expected among all pairs, and the change of weight that goes with it.

    The prior shifts every weight by the same bits, so the prior that agrees with the sum of the probabilities it
    gives is a fixed point that needs no new scoring.
    """
    pairs = count * (count - 1) / 2
    before = math.log2(prior / (1 - prior))
    shift = 0.0
    expected = prior * pairs
    for _ in range(30):
        chance = 1 / (1 + np.exp2(-(weight + shift)))
        expected = float(chance @ times) * count / seeds / 2
        share = min(max(expected, 0.02 * count), 50.0 * count) / pairs
        share = min(share, 0.5)
        after = math.log2(share / (1 - share)) - before
        if abs(after - shift) < 1e-3:
            break
        shift = after
    return expected, shift


def _largest(opened: duckdb.DuckDBPyConnection, model: Model, count: int, seed: int) -> int:
    """K = ceil(1.25 x p99.9 of the sizes of components at p >= .9999), over a sample of records and what is within
    two steps."""
    if not model.rules:
        return 3
    sample = min(count, 50_000)
    opened.execute(
        "create or replace table start as select node_id from keys"
        f" order by md5(node_id || '-{seed}'), node_id limit {sample}"
    )
    opened.execute("create or replace table seeds as select keys.* from keys semi join start using (node_id)")
    scoring.block(opened, model, "keys" if sample == count else "seeds")
    scored = scoring.score_pairs(opened, model.settings, "pairs", least_weight=SURE)
    if scored.num_rows == 0:
        return 3
    left, right = scored["left_id"].to_numpy(), scored["right_id"].to_numpy()
    nodes, places = np.unique(np.concatenate([left, right]), return_inverse=True)
    half = len(left)
    graph = coo_array((np.ones(half), (places[:half], places[half:])), shape=(len(nodes), len(nodes)))
    _, labels = scipy_components(graph, directed=False)
    sizes = np.bincount(labels)
    return max(3, math.ceil(1.25 * float(np.quantile(sizes, 0.999))))
