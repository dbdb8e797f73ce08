"""The charts that pages share. Colours come from the theme (.streamlit/config.toml), so that light and dark agree."""

from typing import Literal

import altair as alt
import pandas as pd
import streamlit as st

Kind = Literal["line", "area", "bar"]

HEIGHT = 300
"""Pixels: readable on a phone, and two charts fit a laptop's screen."""


def over_time(
    frame: pd.DataFrame,
    x: str,
    y: str,
    *,
    colour: str | None = None,
    kind: Kind = "line",
    title: str = "",
    unit: str = "",
) -> None:
    """A figure over time, one line (or stacked area or bar) per value of `colour`; `unit` is a d3 format."""
    chart = _mark(alt.Chart(frame), kind).encode(
        x=alt.X(f"{x}:T", title=None),
        y=alt.Y(f"{y}:Q", title=title or None, axis=alt.Axis(format=unit or alt.Undefined)),
        tooltip=[
            alt.Tooltip(f"{x}:T", title="when"),
            *([alt.Tooltip(f"{colour}:N")] if colour else []),
            alt.Tooltip(f"{y}:Q", title=title or y, format=unit or ",.4~f"),
        ],
        color=_colour(colour) if colour else alt.Undefined,
    )
    show(chart)


def bars(
    frame: pd.DataFrame, category: str, value: str, *, colour: str | None = None, title: str = "", unit: str = ""
) -> None:
    """Horizontal bars in the frame's order, names in full; stacked by `colour`."""
    chart = (
        alt.Chart(frame)
        .mark_bar(cornerRadiusEnd=2)
        .encode(
            y=alt.Y(f"{category}:N", sort=None, title=None, axis=alt.Axis(labelLimit=220)),
            x=alt.X(f"{value}:Q", title=title or None, axis=alt.Axis(format=unit or alt.Undefined, tickCount=5)),
            tooltip=[
                alt.Tooltip(f"{category}:N"),
                *([alt.Tooltip(f"{colour}:N")] if colour else []),
                alt.Tooltip(f"{value}:Q", title=title or value, format=unit or ",.4~f"),
            ],
            color=_colour(colour) if colour else alt.Undefined,
        )
        .properties(height=alt.Step(26))
    )
    show(chart, height=None)


def heatmap(frame: pd.DataFrame, x: str, y: str, value: str, *, title: str = "", unit: str = ".0%") -> None:
    """A matrix in colours, rows and columns in the frame's order."""
    chart = (
        alt.Chart(frame)
        .mark_rect()
        .encode(
            x=alt.X(f"{x}:O", sort=None, title=x.replace("_", " "), axis=alt.Axis(labelAngle=0, labelOverlap=True)),
            y=alt.Y(f"{y}:O", sort=None, title=None),
            color=alt.Color(f"{value}:Q", title=title or None, legend=alt.Legend(format=unit)),
            tooltip=[alt.Tooltip(f"{y}:O"), alt.Tooltip(f"{x}:O"), alt.Tooltip(f"{value}:Q", format=unit)],
        )
        .properties(height=alt.Step(22))
    )
    show(chart, height=None)


def show(chart: "alt.Chart | alt.LayerChart", height: int | None = HEIGHT) -> None:
    """Show a chart as wide as its place, in the theme's colours."""
    st.altair_chart(chart if height is None else chart.properties(height=height), width="stretch", theme="streamlit")


def _mark(chart: alt.Chart, kind: Kind) -> alt.Chart:
    marked: alt.Chart
    if kind == "line":
        marked = chart.mark_line(point=alt.OverlayMarkDef(size=18), strokeWidth=2)
    else:
        marked = chart.mark_area(opacity=0.85) if kind == "area" else chart.mark_bar()
    return marked


def _colour(column: str) -> alt.Color:
    legend = alt.Legend(orient="bottom", labelLimit=260, columns=2)
    return alt.Color(f"{column}:N", title=None, sort=None, legend=legend)
