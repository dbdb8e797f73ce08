"""Segments: who is in, since when, who can be written to, and where it is sent."""

import streamlit as st

from dashboards import data, layout
from dashboards.layout import words
from dashboards.segments import catalogue, detail, overlap

layout.header("Segments", "Who is in, who comes and goes, who can be reached, and where it is sent.")
if data.has_table(catalogue.TABLE):
    found = catalogue.load()
    names = [str(name) for name in found["segment"]]
    # the address names a segment as its file does, whatever the box calls it
    asked = st.query_params.get("segment")
    if "segment_shown" not in st.session_state:
        largest = found.sort_values("member_count", ascending=False, na_position="last")["segment"].iloc[0]
        st.session_state["segment_shown"] = asked if asked in names else largest
    if asked is not None and asked not in names:
        st.warning("The address names a segment that is not published: this is another one.", icon=":material/info:")
    chosen = st.selectbox("Segment", names, format_func=words, key="segment_shown", width=360)
    st.query_params["segment"] = chosen
    detail.show(found, chosen)
    catalogue.show(found)
    overlap.show(chosen)
else:
    layout.missing("No segment is published.", "A file in `models/segments/` is one; `kinship run` builds it.")
