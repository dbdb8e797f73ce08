"""Probabilistic matching on small synthetic people, with Splink itself."""

import random
import stat
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from kinship.errors import WrongUse
from kinship.identity.matching import BROAD, DEFAULT, STRICT, WEIGHTS, Model, coverage, level_of, score, scoring, train
from kinship.identity.matching.buckets import bucket_of, score_bucket, with_digests

GIVEN = [
    "anna",
    "bela",
    "carl",
    "dora",
    "emil",
    "fritz",
    "greta",
    "hans",
    "ida",
    "jan",
    "karla",
    "leo",
    "mara",
    "nils",
    "olga",
    "paul",
    "rita",
    "sven",
    "tina",
    "ulf",
]
FAMILY = [
    start + end
    for start in ["al", "be", "co", "du", "er", "fal", "gor", "hel", "ing", "jor"]
    for end in ["mann", "sen", "ski", "ova", "berg"]
]


def people(persons, seed=7, columns=("given_name", "family_name", "birth_date", "email", "city")):
    """Records of people with typing errors and gaps: (table, person of each record)."""
    draw = random.Random(seed)
    rows, truth = [], []
    for person in range(persons):
        given, family = draw.choice(GIVEN), draw.choice(FAMILY)
        whole = {
            "given_name": given,
            "family_name": family,
            "full_name": f"{given} {family}",
            "birth_date": f"{draw.randint(1940, 2003)}-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}",
            "email": f"{given}.{family}{draw.randint(1, 99)}@example.org",
            "phone": f"+4930{draw.randint(1000000, 9999999)}",
            "street": f"{draw.choice(FAMILY)}weg {draw.randint(1, 90)}",
            "postcode": str(draw.randint(10000, 10400)),
            "city": draw.choice(["berlin", "hamburg", "bremen", "kiel"]),
            "national_id": str(draw.randint(10**8, 10**9)),
            "other_1": draw.choice(FAMILY),
        }
        for _ in range(draw.randint(1, 4)):
            row = {}
            for column in columns:
                value = whole[column]
                if draw.random() < 0.1:
                    place = draw.randrange(len(value))
                    value = value[:place] + draw.choice("abcdefgh12") + value[place + 1 :]
                row[column] = None if draw.random() < 0.1 else value
            rows.append(row)
            truth.append(person)
    order = list(range(len(rows)))
    draw.shuffle(order)
    table = {"node_id": pa.array(range(100, 100 + len(rows)), pa.int64())}
    table |= {column: pa.array([rows[place][column] for place in order], pa.string()) for column in columns}
    return pa.table(table), np.array(truth)[order]


@pytest.fixture(scope="module")
def trained():
    records, truth = people(300)
    return records, truth, train(records, threads=1)


def as_dict(pairs):
    ends = zip(pairs["left_id"].to_pylist(), pairs["right_id"].to_pylist(), strict=True)
    return dict(zip(ends, pairs["match_weight"].to_pylist(), strict=True))


def test_pairs_of_one_person_are_found_and_few_others(trained):
    records, truth, model = trained
    pairs = score(model, records)
    strong = pairs.filter(pa.compute.greater_equal(pairs["match_weight"], WEIGHTS[DEFAULT]))
    left, right = strong["left_id"].to_numpy() - 100, strong["right_id"].to_numpy() - 100
    right_pairs = (truth[left] == truth[right]).sum()
    counts = np.bincount(truth)
    assert right_pairs / len(left) > 0.95
    assert right_pairs / (counts * (counts - 1) // 2).sum() > 0.85


def test_pairs_come_in_order_and_say_why(trained):
    records, _, model = trained
    pairs = score(model, records)
    left, right = pairs["left_id"].to_numpy(), pairs["right_id"].to_numpy()
    assert (left < right).all()
    assert list(zip(left, right, strict=True)) == sorted(zip(left, right, strict=True))
    assert (pairs["match_probability"].to_numpy() >= 0.1 - 1e-12).all()
    detail = pairs["detail"].to_pylist()
    assert any("birth_date exact" in one for one in detail)
    values = {value for column in ("given_name", "family_name", "email") for value in records[column].to_pylist()} - {
        None
    }
    assert not any(value in one.split() for one in detail[:50] for value in values)


def test_the_bits_in_the_detail_add_up_to_the_weight(trained):
    records, _, model = trained
    prior = model.settings["probability_two_random_records_match"]
    for row in score(model, records).slice(0, 40).to_pylist():
        bits = sum(float(part.rsplit(" ", 1)[1]) for part in row["detail"].split(", "))
        assert bits + np.log2(prior / (1 - prior)) == pytest.approx(row["match_weight"], abs=0.5)


def test_the_order_of_rows_changes_nothing(trained):
    records, _, model = trained
    turned = records.take(np.random.default_rng(3).permutation(records.num_rows))
    again = train(turned, threads=1)
    assert again.version == model.version
    assert score(again, turned).equals(score(model, records))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_new_records_against_all_give_in_the_end_what_all_at_once_gives(trained, seed):
    records, _, model = trained
    draw = np.random.default_rng(seed)
    order = draw.permutation(records.num_rows)
    cuts = [0, *sorted(draw.choice(np.arange(1, records.num_rows), 3, replace=False)), records.num_rows]
    found = {}
    for start, stop in pairwise(cuts):
        there = records.take(np.sort(order[:stop]))
        new = records["node_id"].to_numpy()[order[start:stop]]
        pairs = as_dict(score(model, there, new))
        assert not pairs.keys() & found.keys()
        found |= pairs
    whole = as_dict(score(model, records))
    assert found.keys() == whole.keys()
    assert all(found[pair] == pytest.approx(whole[pair], abs=1e-9) for pair in whole)


def test_a_score_does_not_depend_on_who_else_is_there(trained):
    records, _, model = trained
    whole = as_dict(score(model, records))
    (left, right), weight = max(whole.items(), key=lambda pair: pair[1])
    two = records.filter(pa.compute.is_in(records["node_id"], pa.array([left, right], pa.int64())))
    assert as_dict(score(model, two)) == {(left, right): pytest.approx(weight, abs=1e-9)}


def test_scoring_in_parts_changes_nothing(trained, monkeypatch):
    records, _, model = trained
    whole = score(model, records)
    monkeypatch.setattr(scoring, "PAIRS_AT_ONCE", 2000)
    assert score(model, records).equals(whole)


def test_a_model_is_the_same_after_a_round_trip(trained, tmp_path):
    records, _, model = trained
    model.save(tmp_path / "model")
    loaded = Model.load(tmp_path / "model")
    assert loaded.version == model.version
    assert score(loaded, records).equals(score(model, records))
    for file in (tmp_path / "model").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_missing_model_says_what_to_do(tmp_path):
    with pytest.raises(WrongUse, match="train"):
        Model.load(tmp_path)


def test_the_parameters_hold_no_values(trained):
    records, _, model = trained
    text = model._parameters()
    assert not any(mail in text for mail in records["email"].to_pylist() if mail)


def test_rules_say_what_they_find(trained):
    _, _, model = trained
    rows = coverage(model.rules)
    assert rows
    assert all(row["comparisons"] > 0 and row["found"] >= row["added"] > 0 for row in rows)
    assert sum(row["added"] for row in rows) > 0.95


@pytest.mark.parametrize("count", [0, 1, 2, 5, 40])
def test_few_records_work_silently(count, capfd):
    records, _ = people(60, columns=("given_name", "family_name", "birth_date", "email", "phone"))
    few = records.slice(0, count)
    model = train(few, threads=1)
    pairs = score(model, few)
    assert pairs.column_names == ["left_id", "right_id", "match_weight", "match_probability", "detail"]
    assert "sessions" not in model.facts
    assert capfd.readouterr() == ("", "")


def test_a_small_warehouse_still_finds_its_doubles():
    records, truth = people(15, seed=3, columns=("given_name", "family_name", "birth_date", "email", "phone"))
    pairs = score(train(records, threads=1), records)
    left, right = pairs["left_id"].to_numpy() - 100, pairs["right_id"].to_numpy() - 100
    strong = pairs["match_weight"].to_numpy() >= WEIGHTS[DEFAULT]
    assert strong.sum() >= 10
    assert (truth[left] == truth[right])[strong].all()


@pytest.mark.parametrize(
    "columns",
    [("email",), ("full_name",), ("family_name",), ("birth_date",), ("other_1",)],
    ids=lambda columns: columns[0],
)
def test_one_column_alone_is_enough_to_run(columns):
    records, _ = people(150, columns=columns)
    model = train(records, threads=1)
    assert score(model, records).num_rows >= 0


def test_columns_that_say_nothing_are_left_out():
    records, _ = people(30)
    nothing = pa.nulls(records.num_rows, pa.string())
    constant = pa.array(["de"] * records.num_rows)
    model = train(records.append_column("phone", nothing).append_column("country", constant), threads=1)
    assert model.columns == ["birth_date", "city", "email", "family_name", "given_name"]
    empty = pa.table({"node_id": records["node_id"], "email": nothing, "phone": nothing})
    assert score(train(empty, threads=1), empty).num_rows == 0


def test_columns_may_be_missing_when_scoring_and_unknown_ones_are_ignored(trained):
    records, _, model = trained
    fewer = records.drop_columns(["city"]).append_column("shoe_size", pa.array(["42"] * records.num_rows))
    assert score(model, fewer).num_rows > 0


def test_every_type_is_compared():
    columns = ["full_name", "birth_date", "email", "phone", "street", "postcode", "city", "national_id", "other_1"]
    records, truth = people(200, columns=columns)
    model = train(records, threads=1)
    names = {each["output_column_name"] for each in model.settings["comparisons"]}
    assert {"given_name", "family_name", *columns} - {"full_name"} <= names
    pairs = score(model, records)
    strong = pairs["match_weight"].to_numpy() >= WEIGHTS[DEFAULT]
    left, right = pairs["left_id"].to_numpy() - 100, pairs["right_id"].to_numpy() - 100
    assert (truth[left] == truth[right])[strong].mean() > 0.98


def test_levels_nest():
    assert WEIGHTS[STRICT] > WEIGHTS[DEFAULT] > WEIGHTS[BROAD]
    assert [level_of(weight) for weight in (30.0, 5.0, 2.5, -1.0)] == [STRICT, DEFAULT, BROAD, None]


def countries(persons, names, seed=5):
    """Two records a person, in ten countries whose people have names and towns of their own, so many given names."""
    draw = random.Random(seed)
    rows = []
    for _ in range(persons):
        land = draw.randrange(10)
        person = {
            "given_name": f"{draw.choice(GIVEN[:names])}{'aeiou'[land % 5]}{land}",
            "family_name": f"{draw.choice(FAMILY[:names])}{land}",
            "country": f"c{land}",
            "city": f"town {land}{draw.randrange(5)}",
            "postcode": f"{land}{draw.randrange(1000):04}",
            "email": f"{draw.getrandbits(40):x}@example.org",
        }
        rows += [{key: None if draw.random() < 0.3 else value for key, value in person.items()} for _ in range(2)]
    columns = {key: pa.array([row[key] for row in rows], pa.string()) for key in rows[0]}
    return pa.table({"node_id": pa.array(range(len(rows)), pa.int64())} | columns)


@pytest.mark.parametrize("names", [5, 3])
def test_namesakes_are_not_taken_for_one_person(names):
    """Of the pairs with one full name at most one in eight is of one person; all share a country."""
    records = countries(2000, names=names)
    sessions = train(records, threads=1).facts["sessions"]
    assert len(sessions) > 1
    for session in sessions:
        block = records.select(["node_id", *session["blocked_on"]])
        pairs = block.join(block, session["blocked_on"], join_type="inner", right_suffix="_right")
        left, right = pairs["node_id"].to_numpy(), pairs["node_id_right"].to_numpy()
        one = (left // 2 == right // 2)[left < right].mean()
        assert session["share"] == pytest.approx(one, abs=0.1)


@pytest.mark.parametrize("buckets", [1, 7])
@pytest.mark.parametrize("share_new", [1.0, 0.1])
def test_buckets_together_are_the_whole(trained, buckets, share_new):
    records, _, model = trained
    draw = random.Random(3)
    is_new = [draw.random() < share_new for _ in range(records.num_rows)]
    flagged = records.append_column("is_new", pa.array(is_new))
    # digests of a record do not depend on who is beside it
    halves = [flagged.slice(0, 200), flagged.slice(200)]
    told = pa.concat_tables(with_digests(model, half) for half in halves)
    parts = []
    for bucket in range(buckets):
        with scoring.engine.connection(1) as opened:
            opened.register("told", told)
            held = opened.sql(
                "select told.* from told"
                f" where len(list_filter(digests, one -> {bucket_of('one', buckets)} = {bucket})) > 0"
            ).to_arrow_table()
        parts.append(score_bucket(model, held, bucket, buckets))
    assert buckets == 1 or sum(part.num_rows > 0 for part in parts) > 1
    order = [("left_id", "ascending"), ("right_id", "ascending")]
    whole = score(model, records, records["node_id"].filter(pa.array(is_new)).to_pylist())
    assert pa.concat_tables(parts).sort_by(order).equals(whole)
