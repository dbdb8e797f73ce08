"""Colours that mean something, each halfway between light and dark: readable on the page in either theme."""

import streamlit as st

GOOD = "#2f8fa3"
SOFT = "#8dbfca"
WARN = "#cc7a29"
PLAIN = "#83929b"


def ink() -> str:
    """The colour of text on the page or on a pale cell, which the charts' marks do not take from the theme."""
    return "#e4ecef" if st.context.theme.type == "dark" else "#1c2b33"
