"""Journeys."""

from dashboards import layout

layout.header("Journeys", "")
layout.missing("This page is not there yet.")
