"""Activation."""

from dashboards import layout

layout.header("Activation", "")
layout.missing("This page is not there yet.")
