"""The parts of the overview, each a part of the page from top to bottom."""
