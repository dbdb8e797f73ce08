"""The materialisation `connected_components` without dbt: the statements of its macros on a DuckDB connection."""

from types import SimpleNamespace
from typing import Any

import duckdb
import jinja2
from macros import SOURCE

from kinship.identity.functions import register

SCRATCH = ("changes", "touched", "split", "dirty", "merged", "edges", "hooked", "parents")
TEMPLATE = jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=False).from_string(SOURCE)


class ComponentTables:
    """The components of a table or query of edges: left_id, right_id, is_current, changed_in.

    `engine` says whose macros run; those of other engines than DuckDB solve by a loop and write everything anew.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, edges: str, engine: str = "duckdb") -> None:
        register(connection)
        self.connection = connection
        self.edges = f"(select * from {edges}) as edges"
        self.tables = {name: f"components__{name}" for name in ("labels", "redirects", "solved", *SCRATCH)}
        self.statements: list[str] = []
        self._returned: Any = None
        self._macros: Any = TEMPLATE.make_module(
            {
                "adapter": SimpleNamespace(dispatch=lambda name, _: self._dispatched(engine, name)),
                "exceptions": SimpleNamespace(raise_compiler_error=self._fail),
                "var": lambda name: -1,  # no graph is small enough to be solved without rounds
                "return": lambda value: setattr(self, "_returned", value),
                "run_query": lambda sql: self.run_query(sql),
            }
        )
        connection.execute(f"create table if not exists {self.tables['solved']} (solved_to bigint)")

    def update(self, *, full_refresh: bool = False) -> None:
        """What a run of the model does, in one transaction."""
        self.statements = []
        self._returned = None
        self.connection.execute("begin")
        if not full_refresh:
            self._macros.components_solved_to(self.edges, self.tables)
        if self._returned is None:
            self._macros.solve_all_components(self.edges, self.tables)
        else:
            self._macros.solve_changed_components(self.edges, self.tables, self._returned)
        self.connection.execute("commit")

    @property
    def components(self) -> str:
        """The query behind the model: one row per node, node_id and component_id."""
        return str(self._macros.current_components(self.tables))

    def labels(self) -> dict[int, int]:
        """Each node's component."""
        rows = self.connection.execute(self.components).fetchall()
        assert len(rows) == len(dict(rows)), "a node has two rows"
        return dict(rows)

    @property
    def rounds(self) -> int:
        """How often the loop went round in the last update."""
        return sum("as parents on labels.node_id = parents.node_id" in sql for sql in self.statements)

    def _dispatched(self, engine: str, name: str) -> Any:
        return getattr(self._macros, f"{engine}__{name}", None) or getattr(self._macros, f"default__{name}")

    def run_query(self, sql: str) -> SimpleNamespace:
        """What dbt's macro of that name does."""
        self.statements.append(sql)
        return SimpleNamespace(rows=self.connection.execute(sql).fetchall())

    @staticmethod
    def _fail(message: str) -> None:
        raise RuntimeError(message)
