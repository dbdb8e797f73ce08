"""The parts of the page about segments."""
