"""The till's lines, kept up by the files that came and went, are those of a build from nothing, and those of plain
Python, which counts for itself which line is a second scan and which one was handed over again."""

from collections import Counter, defaultdict
from typing import Any, Literal

from files_house import FilesHouse
from hypothesis import example, given, settings
from hypothesis import strategies as st

Way = Literal["instead", "behind", "instead of the last part"]
NAMES = ("a.csv", "b.csv", "c.csv")
# what extraction finds at a file's name: a new version, or a file that grew; its last part is read again where its last
# line had no end. The number (1 to 4) of the line of each row
finds = st.tuples(
    st.sampled_from(NAMES),
    st.lists(st.integers(1, 4), max_size=5),
    st.sampled_from(["instead", "behind", "instead of the last part"]),
)
# what comes before a build: finds; files that vanish with their folder, or are there again; whether it is broken off
steps = st.tuples(st.lists(finds, max_size=2), st.sets(st.sampled_from(NAMES), max_size=1), st.booleans())
Part = tuple[str, list[int]]


def new_house() -> FilesHouse:
    return FilesHouse("erp", "invoice_lines", "stg_erp__invoice_lines", erp_currency="GBP")


def rows(lines: list[int]) -> list[dict[str, Any]]:
    return [
        {
            "invoice_no": f"53{line}",
            "stock_code": f"article {line}",
            "quantity": "2",
            "invoice_ts": "2026-01-01T10:00:00Z",
            "unit_price": "1.25",
            "customer_id": None if line == 4 else f"{line}",
            "country": "France",
        }
        for line in lines
    ]


def take_in(house: FilesHouse, number: int, part: Part) -> None:
    house.take_in(f"{number:06}", part[0], number, rows(part[1]))


def expected(parts: dict[int, Part]) -> Counter[tuple[str, str, bool, bool]]:
    """How often a file has a line (its invoice) that is a second scan, that was handed over before."""
    scans: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for number, (file, lines) in sorted(parts.items()):
        for line in lines:
            scans[line][file].append(number)
    found: Counter[tuple[str, str, bool, bool]] = Counter()
    for line, by_file in scans.items():
        for place in range(max(map(len, by_file.values()))):
            handed = sorted((numbers[place], file) for file, numbers in by_file.items() if len(numbers) > place)
            for delivery, (_, file) in enumerate(handed):
                found[file, f"53{line}", place > 0, delivery > 0] += 1
    return found


@settings(max_examples=100, deadline=None)
@given(history=st.lists(steps, min_size=2, max_size=6))
# the first of two deliveries vanishes: the second counts now; then it comes back
@example(
    history=[
        ([("a.csv", [1, 1], "instead"), ("b.csv", [1, 2], "instead")], set(), False),
        ([], {"a.csv"}, False),
        ([], {"a.csv"}, False),
    ]
)
# a file goes on, with a line that it had before
@example(
    history=[
        ([("a.csv", [1], "instead"), ("b.csv", [1, 1], "instead")], set(), False),
        ([("a.csv", [1], "behind")], set(), True),
        ([("a.csv", [2], "instead of the last part")], set(), False),
    ]
)
def test_files_that_come_and_go_leave_what_a_build_from_nothing_makes(
    history: list[tuple[list[tuple[str, list[int], Way]], set[str], bool]],
) -> None:
    house = new_house()
    parts: list[Part] = []
    current: set[int] = set()
    versions: dict[str, list[int]] = {name: [] for name in NAMES}

    def turn(numbers: list[int], *, is_current: bool) -> None:
        for number in numbers:
            (current.add if is_current else current.discard)(number)
            house.turn(f"{number:06}", is_current=is_current)

    for come, turned, broken_off in history:
        for name, lines, way in come:
            gone = {"instead": versions[name], "behind": [], "instead of the last part": versions[name][-1:]}[way]
            versions[name] = [number for number in versions[name] if number not in gone] + [len(parts)]
            take_in(house, len(parts), (name, lines))
            parts.append((name, lines))
            turn(gone, is_current=False)
            turn(versions[name], is_current=True)
        for name in turned:
            turn(versions[name], is_current=not current.intersection(versions[name]))
        if broken_off:  # between its two statements; another run follows before a file comes or goes
            house.build(hook=False)
        house.build()
    house.build(table="anew")
    assert house.rows("from held except all from anew") == house.rows("from anew except all from held") == []
    found = house.rows("select file, invoice_id, is_exact_duplicate, is_delivered_again from held")
    assert Counter(found) == expected({number: parts[number] for number in current})


def test_only_files_with_a_line_that_came_again_are_read() -> None:
    house = new_house()
    take_in(house, 1, ("a.csv", [1, 2]))
    take_in(house, 2, ("b.csv", [3]))
    house.build()
    take_in(house, 3, ("c.csv", [2, 4]))
    told = house.rows(f"select file, invoice_id, is_delivered_again from ({house.increment()}) order by all")
    assert told == [("a.csv", "532", False), ("c.csv", "532", True), ("c.csv", "534", False)]
    house.build()
    assert house.rows(f"select count(*) from ({house.increment()})") == [(0,)]


def test_a_table_of_before_is_taken_over() -> None:
    house = new_house()
    take_in(house, 1, ("a.csv", [1, 2]))
    house.build()
    house.connection.execute("alter table held drop column file_id; alter table held drop column content_hash")
    assert house.rows(f"select count(*) from ({house.increment()})") == [(2,)]
