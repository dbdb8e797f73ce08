"""How the company is doing."""

from dashboards import layout

layout.header("Overview", "Growth, value and cost.")
layout.missing("This page is not there yet.")
