"""Segments, seen from outside of dbt: what their headers say, and what a change of their SQL would do."""
