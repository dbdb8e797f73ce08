"""Render the project's macros without a dbt run, for one engine at a time."""

from pathlib import Path
from typing import Any

import jinja2

MACROS = Path(__file__).parents[1] / "dbt_project" / "macros"
SOURCE = "\n".join(path.read_text() for path in sorted(MACROS.glob("*.sql")))


def render(call: str, engine: str = "duckdb", **context: Any) -> str:
    """The SQL that `call` (a Jinja expression such as `normalise_id('x')`) yields on `engine`."""
    return render_text("{{ " + call + " }}", engine, **context)


def render_text(text: str, engine: str = "duckdb", **context: Any) -> str:
    """The SQL that a template which uses the project's macros yields on `engine`."""
    environment = jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=False)

    class Adapter:
        """`adapter.dispatch` as dbt resolves it: the engine's own implementation, else the default one."""

        @staticmethod
        @jinja2.pass_context
        def dispatch(names: jinja2.runtime.Context, name: str, _package: str = "") -> Any:
            return names.resolve(f"{engine}__{name}") or names.resolve(f"default__{name}")

    template = environment.from_string(SOURCE + "\n[text]" + text)
    return template.render({"adapter": Adapter} | context).split("[text]")[-1].strip()
