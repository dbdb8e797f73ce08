"""The pages, in the order of the menu. A page is a file in `views/` and a line here."""

PAGES = (
    ("overview", "Overview", ":material/monitoring:"),
    ("customer", "Customer", ":material/person_search:"),
    ("segments", "Segments", ":material/group_work:"),
    ("journeys", "Journeys", ":material/route:"),
    ("activation", "Activation", ":material/send:"),
    ("identity", "Identity", ":material/fingerprint:"),
    ("quality", "Data quality", ":material/verified:"),
)
"""The file (and path in the address), the title, the icon."""
