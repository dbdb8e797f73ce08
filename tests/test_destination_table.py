"""What docs/destinations.md says of each tool is what its class says."""

import re

from destination_table import PAGE, table, written

from reverse_etl.destination import destination_names


def test_the_table_is_what_the_classes_say() -> None:
    assert written(PAGE.read_text()) == table(), "`python tests/destination_table.py` writes it"


def test_every_section_is_about_a_destination_that_exists() -> None:
    sections = re.findall(r"^## `(\w+)`", PAGE.read_text(), re.M)
    assert set(sections) == set(destination_names())
