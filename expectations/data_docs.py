"""Data Docs that are complete in themselves: Great Expectations' pages on templates of our own (`templates/`).

The library's templates ask eight hosts for scripts, styles and a picture: opened offline they are bare, and opened
online they tell those hosts who reads which page of which warehouse. Ours hold no script, and their style is in them.
"""

from pathlib import Path
from typing import Any

from great_expectations.data_context.store.store import DataDocsSiteConfigTypedDict
from great_expectations.render.view.view import DefaultJinjaPageView
from jinja2 import ChoiceLoader, FileSystemLoader

TEMPLATES = Path(__file__).with_name("templates")


class Site(DataDocsSiteConfigTypedDict):
    """The site's configuration, with the view of each section."""

    site_section_builders: dict[str, Any]
    show_how_to_buttons: bool


class SelfContainedView(DefaultJinjaPageView):
    """The library's view of every page, the index too; a template of ours goes before the library's of its name."""

    def __init__(self, **directories: Any) -> None:
        super().__init__(**directories)
        self.env.loader = ChoiceLoader([FileSystemLoader(TEMPLATES), *([self.env.loader] if self.env.loader else [])])


def site(folder: Path) -> Site:
    """The configuration of a site in `folder`: suites, results, and an index of both."""
    view = {"module_name": __name__, "class_name": SelfContainedView.__name__}
    return {
        "class_name": "SiteBuilder",
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder", "view": view},
        "site_section_builders": {name: {"view": view} for name in ("expectations", "validations", "profiling")},
        "show_how_to_buttons": False,
    }
