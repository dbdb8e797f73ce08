"""The dashboards: a Streamlit application over the published tables, one page per file in `views/`."""
