"""Identity."""

from dashboards import layout

layout.header("Identity", "")
layout.missing("This page is not there yet.")
