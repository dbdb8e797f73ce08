"""`kinship resolve` as a user meets it: any table of person records comes back, row by row, with who is who."""

import csv
import json
import re
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest
from conftest import KINSHIP, call, environment
from identity_house import groups

from kinship.identity import resolve as module
from kinship.identity.column_types import IGNORE, guess, numbered
from kinship.identity.matching.columns import TYPES
from kinship.identity.resolve import resolve

GIVEN = ["Анна", "José", "Zoë", "Mary Ann", "O'Neil", "Bob", "Carla", "Dmitri", "Eva", "Farid"]
FAMILY = ["Lee, Jr.", 'The "Rock" Ray', "Müller", "Иванова", "da Silva", "Kowalski", "Brown", "Green", "Novak", "Ito"]
COLUMNS = ['the "id"', "First Name", "фамилия", "E-Mail", "Born", "row"]
ADDED = ["customer_id", "confidence"]


def people(count: int = 100) -> list[list[str]]:
    """Twice as many rows as people: each person once more, mostly with the same address, in no order."""
    random = Random(7)
    rows = []
    for number in range(count):
        given, family = random.choice(GIVEN), random.choice(FAMILY)
        mail, born = (
            f"person{number}@example.com",
            f"19{number % 60 + 40}-{number % 12 + 1:02}-{number * 7 % 28 + 1:02}",
        )
        rows.append([f"r{number}", given, family, mail, born])
        rows.append([f"s{number}", given, family, mail.upper() if number % 10 else "", born])
    random.shuffle(rows)
    return [[*row, str(place)] for place, row in enumerate(rows)]


def save(path: Path, rows: list[list[str]], columns: list[str] = COLUMNS) -> Path:
    """A table as CSV, or as Parquet through DuckDB, by the ending of its name."""
    text = path.with_suffix(".csv")
    with text.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
    if path.suffix == ".parquet":
        duckdb.sql(f"copy (from read_csv('{text}', all_varchar = true, header = true)) to '{path}'")
    return path


def read(path: Path) -> list[list[str]]:
    """A table with its header, as text."""
    if path.suffix == ".parquet":
        found = duckdb.sql(f"from '{path}'")
        return [found.columns, *([("" if cell is None else str(cell)) for cell in row] for row in found.fetchall())]
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def who(path: Path) -> set[frozenset[str]]:
    """The rows' ids by person."""
    header, *rows = read(path)
    place = header.index("customer_id")
    return groups({row[0]: row[place] for row in rows})


def resolved(folder: Path, source: str, target: str) -> str:
    """What the command printed."""
    arguments = ("--id", COLUMNS[0], "--columns", "E-Mail=email,Born = birth_date", "--out", target)
    done = call(KINSHIP, "resolve", source, *arguments, env=environment(folder, KINSHIP_DEBUG="1"), cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `people` in a file, what `kinship resolve` made of it, and what it said."""
    folder = tmp_path_factory.mktemp("resolve")
    save(folder / "in.csv", people())
    (folder / "said.txt").write_text(resolved(folder, "in.csv", "out.csv"))
    return folder


def test_every_row_comes_back_in_order_with_two_more_columns(home: Path) -> None:
    header, *rows = read(home / "out.csv")
    assert header == [*COLUMNS, *ADDED]
    assert [row[:-2] for row in rows] == people()
    assert all(row[-2] and 0 <= float(row[-1]) <= 1 for row in rows)


def test_people_are_found(home: Path) -> None:
    together = {frozenset((f"r{number}", f"s{number}")) for number in range(100)}
    assert len(who(home / "out.csv") & together) >= 85


def test_what_was_guessed_and_found_is_said(home: Path) -> None:
    said = (home / "said.txt").read_text()
    for line in ("First Name = given_name", "фамилия = family_name", "row = ignore"):
        assert f"guessed: {line}\n" in said
    assert "guessed: E-Mail" not in said, "it was stated"
    assert re.search(r"200 rows are \d+ people, the largest of \d rows; written to out.csv", said)


@pytest.mark.slow
def test_again_in_another_order_and_another_format_there_are_the_same_people_and_ids(home: Path) -> None:
    rows = Random(1).sample(people(), 200)
    save(home / "shuffled.parquet", rows)
    for source, target in (("in.csv", "again.csv"), ("shuffled.parquet", "out.parquet")):
        resolved(home, source, target)
    assert (home / "again.csv").read_bytes() == (home / "out.csv").read_bytes()
    assert [row[:-2] for row in read(home / "out.parquet")[1:]] == rows
    one, two = ({row[0]: row[-2:] for row in read(home / name)[1:]} for name in ("out.csv", "out.parquet"))
    assert {key: row[0] for key, row in one.items()} == {key: row[0] for key, row in two.items()}
    assert all(float(one[key][1]) == pytest.approx(float(two[key][1])) for key in one)


@pytest.mark.slow
def test_the_levels_nest(home: Path) -> None:
    found: dict[str, Any] = {"default": who(home / "out.csv")}
    for level in ("strict", "broad"):
        resolve(home / "in.csv", COLUMNS[0], {}, home / f"{level}.csv", level=level)
        found[level] = who(home / f"{level}.csv")
    for narrow, wide in (("strict", "default"), ("default", "broad")):
        assert all(any(part <= whole for whole in found[wide]) for part in found[narrow])


@pytest.mark.slow
def test_one_row_is_one_person(tmp_path: Path) -> None:
    save(tmp_path / "in.csv", people()[:1])
    assert resolve(tmp_path / "in.csv", COLUMNS[0], {}, tmp_path / "out.csv").people == 1
    assert len(read(tmp_path / "out.csv")) == 2


@pytest.mark.parametrize(("rows", "ending"), [([], ".csv"), ([], ".parquet"), ([["1"], ["2"]], ".csv")])
def test_no_rows_and_rows_that_say_nothing_need_no_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[list[str]], ending: str
) -> None:
    monkeypatch.setattr(module, "_build", lambda *_: pytest.fail("nothing to build"))
    file = save(tmp_path / f"in{ending}", rows, ["id"])
    done = resolve(file, "id", {}, tmp_path / "out.csv")
    assert (done.rows, done.people, done.largest) == (len(rows), len(rows), int(bool(rows)))
    assert [row[:1] for row in read(tmp_path / "out.csv")] == [["id"], *rows]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["absent.csv", "--id", "id"], "absent.csv: there is no such file"),
        (["in.txt", "--id", "id"], "expected a file that ends in .csv or .parquet"),
        (["in.csv", "--id", "key"], "there is no column 'key'; there are id, name"),
        (["in.csv", "--id", "id", "--columns", "naem=full_name"], "there is no column 'naem'"),
        (["in.csv", "--id", "id", "--columns", "name=nmae"], "there is no type 'nmae'; there are given_name"),
        (["in.csv", "--id", "id", "--columns", "name"], "<column>=<type>"),
        (["in.csv", "--id", "id", "--level", "sure"], "strict, default or broad"),
        (["in.csv", "--id", "name"], "1 of 4 rows have no name"),
        (["same.csv", "--id", "id"], "2 of 4 rows repeat the id of another"),
        (["blank.csv", "--id", "id"], "1 of 2 rows have no id"),
        (["taken.csv", "--id", "id"], "'customer_id' is one this command adds"),
        (["in.csv", "--id", "id", "--out", "out.xlsx"], ".csv or .parquet"),
    ],
)
def test_wrong_use_is_2_and_says_what_is_expected(tmp_path: Path, arguments: list[str], says: str) -> None:
    save(tmp_path / "in.csv", [["1", "Ann Secret"], ["2", "Bob"], ["3", "Cid"], ["4", ""]], ["id", "name"])
    save(tmp_path / "same.csv", [["1", "Ann Secret"], ["1", "Bob"], ["1", "Cid"], ["2", ""]], ["id", "name"])
    save(tmp_path / "blank.csv", [["  ", "Ann Secret"], ["1", "Bob"]], ["id", "name"])
    save(tmp_path / "taken.csv", [["1", "x"]], ["id", "customer_id"])
    (tmp_path / "in.txt").write_text("id,name\n1,Ann Secret\n")
    if "--out" not in arguments:
        arguments = [*arguments, "--out", "out.csv"]
    code, said = run_here(tmp_path, arguments)
    assert code == 2, said
    assert says in said
    assert "Secret" not in said, "no personal data in messages"
    assert not (tmp_path / "out.csv").exists()


def run_here(folder: Path, arguments: list[str]) -> tuple[int, str]:
    """The command in this process, with files named within a folder."""
    from typer.testing import CliRunner

    from kinship.cli import app
    from kinship.errors import KinshipError

    placed = [str(folder / one) if one.endswith((".csv", ".txt", ".xlsx", ".parquet")) else one for one in arguments]
    done = CliRunner().invoke(app, ["resolve", *placed])
    if isinstance(done.exception, KinshipError):
        return done.exception.exit_code, str(done.exception)
    return done.exit_code, done.output


def test_wrong_use_through_the_program(tmp_path: Path) -> None:
    done = call(
        KINSHIP, "resolve", "absent.csv", "--id", "id", "--out", "out.csv", env=environment(tmp_path), cwd=tmp_path
    )
    assert done.returncode == 2
    assert "there is no such file" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(("name", "content"), [
    ("in.parquet", b"PAR1 this is no Parquet file Secret PAR1"),
    ("in.csv", b'id,name\n1,"Ann\n2,Secret\n' + bytes(range(128, 256))),
])  # fmt: skip
def test_a_file_of_another_kind_is_1_and_names_the_file(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    code, said = run_here(tmp_path, [name, "--id", "id", "--out", "out.csv"])
    assert code == 1, said
    assert name in said and "cannot be read as" in said
    assert "Secret" not in said


def test_models_that_fail_leave_no_output_and_quote_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = tmp_path / "dbt"
    failing.write_text("#!/bin/sh\necho could not convert string Secret\nexit 1\n")
    failing.chmod(0o755)
    monkeypatch.setattr(module, "dbt_executable", lambda: str(failing))
    monkeypatch.delenv("KINSHIP_DEBUG", raising=False)
    save(tmp_path / "in.csv", [["1", "Ann"]], ["id", "name"])
    code, said = run_here(tmp_path, ["in.csv", "--id", "id", "--out", "out.csv"])
    assert code == 1 and "--debug shows where" in said and "Secret" not in said
    assert not list(tmp_path.glob("out*"))


# What columns hold


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((one, "given_name") for one in ("first_name", "FirstName", "Vorname", "prenom", "име", "given", "fname")),
        *((one, "family_name") for one in ("last_name", "Surname", "Nachname", "cognome", "фамилия", "apellidos")),
        *((one, "full_name") for one in ("name", "Full Name", "CustomerName", "имена", "фио")),
        *((one, "birth_date") for one in ("dob", "date_of_birth", "Geburtsdatum", "birthDate", "naissance", "рождена")),
        *((one, "email") for one in ("email", "E-Mail", "e_mail", "customer_email", "имейл", "courriel")),
        *((one, "phone") for one in ("phone", "Telefon", "mobile_phone", "Handynummer", "телефон", "tel")),
        *((one, "street") for one in ("street", "address_1", "Straße", "rue", "улица", "StreetName")),
        *((one, "city") for one in ("city", "suburb", "Wohnort", "ville", "ciudad", "град")),
        *((one, "postcode") for one in ("zip", "PLZ", "postcode", "postal_code", "ZipCode", "пощенски индекс")),
        *((one, "country") for one in ("country", "Land", "pays", "държава")),
        *((one, "national_id") for one in ("ssn", "soc_sec_id", "passport_no", "ЕГН", "national_id")),
        *((one, "other") for one in ("gender", "occupation", "state", "company")),
        *(
            (one, IGNORE)
            for one in ("cluster", "cluster_id", "row", "is_duplicate", "created_at", "Unnamed: 0", "label")
        ),
    ],
)
def test_a_column_is_known_by_its_name_in_many_languages(name: str, kind: str) -> None:
    assert guess(name, ["1", "2"]) == kind


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["a@example.com", "b@example.org", ""], "email"),
        (["1980-01-02", "19800102", "2.1.1980", "02/01/1980"], "birth_date"),
        (["+359 888 123456", "0049 30 123456", "+1 (212) 555-0100"], "phone"),
        (["red", "red", "blue", "blue", "red"], "other"),
        (["free text of one", "free text of another"], IGNORE),
        (["same", "same"], IGNORE),
        (["1", "2", "3"], IGNORE),
        (["", ""], IGNORE),
        ([], IGNORE),
    ],
)
def test_a_name_that_says_nothing_leaves_it_to_the_values(values: list[str], kind: str) -> None:
    assert guess("x1", values) == kind


def test_whatever_is_guessed_is_a_type() -> None:
    for name in ("", "  ", "💥", "a" * 1000, "名前"):
        assert guess(name, ["?"]) in (*TYPES, IGNORE)


def test_further_columns_of_one_type_are_numbered() -> None:
    assert numbered({"a": "other", "b": "city", "c": "city", "d": "email", "e": "email", "f": "ignore"}) == {
        "a": "other_1",
        "b": "city",
        "c": "other_2",
        "d": "email",
        "e": "email",
        "f": "ignore",
    }


def test_columns_of_one_name_are_written_together_in_the_order_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is stated; a number of no known country is comparable with its like."""
    loaded: list[tuple[Any, ...]] = []

    def look(warehouse: Path, _: Path) -> None:
        with duckdb.connect(str(warehouse)) as connection:
            loaded.extend(connection.execute("from raw_resolve.records order by all").fetchall())
            module._know_nobody(connection)

    monkeypatch.setattr(module, "_build", look)
    save(
        tmp_path / "in.csv", [["1", "12", " ", "Main St", "0888 123", "+359888"]], ["id", "no", "flat", "st", "p", "q"]
    )
    stated = {"st": "street", "no": "street", "flat": "street", "p": "phone", "q": "phone"}
    done = resolve(tmp_path / "in.csv", "id", stated, tmp_path / "deep" / "out.parquet")
    assert loaded == [("1", "phone", "+359888"), ("1", "phone", "+9990888123"), ("1", "street", "12 Main St")]
    assert json.dumps(done.guessed) == "{}"
    assert read(tmp_path / "deep" / "out.parquet")[0] == ["id", "no", "flat", "st", "p", "q", *ADDED]
