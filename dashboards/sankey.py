"""A Sankey diagram of what moved from one state into another: the one chart that Altair has not."""

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboards.tones import PLAIN, ink


def sankey(moves: pd.DataFrame, states: Sequence[str], labels: Mapping[str, str], tones: Mapping[str, str]) -> None:
    """Show `moves` (from_state, to_state, people): on the left the states before, on the right those after, in order.

    A state may stand on both sides, so that going to and fro is no circle. `tones` are colours (#rrggbb) of states.
    """
    before = [state for state in states if state in set(moves["from_state"])]
    after = [state for state in states if state in set(moves["to_state"])]
    left = {state: place for place, state in enumerate(before)}
    right = {state: place + len(before) for place, state in enumerate(after)}
    people = [int(n) for n in moves["people"]]
    gone, come = moves.groupby("from_state")["people"].sum(), moves.groupby("to_state")["people"].sum()
    nodes = [
        *(f"{labels[state]} {gone[state]:,}" for state in before),
        *(f"{labels[state]} {come[state]:,}" for state in after),
    ]
    figure = go.Figure(
        go.Sankey(
            arrangement="fixed",
            node={
                "label": nodes,
                "color": [_tone(tones, state, 1.0) for state in [*before, *after]],
                "line": {"width": 0},
                "x": [0.001] * len(before) + [0.999] * len(after),
                "y": [*_middles([gone[state] for state in before]), *_middles([come[state] for state in after])],
                "pad": 14,
                "thickness": 10,
                "hovertemplate": "%{label}<extra></extra>",
            },
            link={
                "source": [left[state] for state in moves["from_state"]],
                "target": [right[state] for state in moves["to_state"]],
                "value": people,
                "color": [_tone(tones, state, 0.35) for state in moves["to_state"]],
                "customdata": [
                    f"{labels[a]} → {labels[b]}" for a, b in zip(moves["from_state"], moves["to_state"], strict=True)
                ],
                "hovertemplate": "%{customdata}: %{value:,.0f}<extra></extra>",
            },
            textfont={"size": 13, "shadow": "none", "color": ink()},
        )
    )
    figure.update_layout(margin={"l": 4, "r": 4, "t": 8, "b": 8}, height=430)
    st.plotly_chart(figure, width="stretch", theme="streamlit", config={"displayModeBar": False})


def _tone(tones: Mapping[str, str], state: str, opacity: float) -> str:
    red, green, blue = bytes.fromhex(tones.get(state, PLAIN)[1:])
    return f"rgba({red},{green},{blue},{opacity})"


def _middles(sizes: Sequence[int]) -> list[float]:
    """Where the nodes of a side stand, 0 on top to 1: one below the other, with a little room between."""
    room = 0.05
    scale = (1 - room * (len(sizes) - 1)) / sum(sizes)
    middles, top = [], 0.0
    for size in sizes:
        middles.append(min(max(top + size * scale / 2, 0.001), 0.999))
        top += size * scale + room
    return middles
