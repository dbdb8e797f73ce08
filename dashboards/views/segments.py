"""Segments."""

from dashboards import layout

layout.header("Segments", "")
layout.missing("This page is not there yet.")
