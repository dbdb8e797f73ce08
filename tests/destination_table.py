"""The table of docs/destinations.md: what each destination's class says it can do. Run as a program, it writes it."""

import re
from pathlib import Path

from reverse_etl.destination import Destination, destination_class, destination_names

PAGE = Path(__file__).parents[1] / "docs" / "destinations.md"
BEGIN = "<!-- capabilities: written by tests/destination_table.py, from the classes -->\n"
END = "<!-- end of capabilities -->\n"
MODES = ("upsert", "update", "create", "mirror")


def table() -> str:
    """The table as it should stand in the page."""
    rows = [_row(name, destination_class(name)) for name in destination_names()]
    head = ["destination", "modes", "looks up", "drift", "opt-outs", "merges", "case", "billed by"]
    return "".join(f"| {' | '.join(row)} |\n" for row in [head, ["---"] * len(head), *rows])


def _row(name: str, kind: type[Destination]) -> list[str]:
    flags = (kind.can_look_up, kind.can_read, kind.has_opt_outs, kind.can_merge)
    by_key = "ignores_case" in vars(kind)
    case = "by key" if by_key else "one" if kind.folds_case else "two"
    modes = ", ".join(mode for mode in MODES if mode in kind.modes)
    return [f"`{name}`", modes, *("yes" if flag else "" for flag in flags), case, kind.cost.replace("_", " ")]


def written(page: str) -> str:
    """The table as it stands in the page."""
    found = re.search(f"{re.escape(BEGIN)}(.*?){re.escape(END)}", page, re.S)
    assert found, f"{PAGE.name} lost the marks around its table"
    return found[1]


if __name__ == "__main__":
    text = PAGE.read_text()
    PAGE.write_text(text.replace(BEGIN + written(text) + END, BEGIN + table() + END))
