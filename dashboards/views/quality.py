"""Data quality."""

from dashboards import layout

layout.header("Data quality", "")
layout.missing("This page is not there yet.")
