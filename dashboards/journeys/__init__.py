"""The parts of the page about journeys, each a part of the page from top to bottom."""
