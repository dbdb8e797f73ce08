"""Who looks: nobody in particular, until a sign-in is configured (docs/dashboards.md)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Viewer:
    """Whoever looks at a page. `subject` is how the access log calls them."""

    subject: str
    is_unmasked: bool


def viewer() -> Viewer:
    """The viewer of this session."""
    return Viewer("local", False)
