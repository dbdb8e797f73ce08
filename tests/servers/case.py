"""What the conformance suite has to know about a destination: a file here under its name, with its cases."""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar, Protocol

from reverse_etl.destination import destination_names
from servers.base import Faults

FOLDER = Path(__file__).parent


class Running(Protocol):
    """A tool that was started: the real one, or a server that behaves like it (`servers.base.ToolServer`)."""

    @property
    def environment(self) -> dict[str, str]:
        """Address and credentials, as the destination reads them."""


class Case(ABC):
    """One object of one tool, with a model of two columns or more: the key, and a text whose value changes.

    A destination may have several cases (contacts, lists ...). The suite reads what the destination's class says it can
    do; what is said here is about the tool.
    """

    sync: ClassVar[dict[str, Any]]
    """The sync's block: `object`, `key`, `options` ... (destination, purpose and owner are filled in)."""
    value: ClassVar[str]
    """The column whose text changes."""
    types: ClassVar[dict[str, str]] = {}
    """DuckDB's types of columns that are no text."""
    is_membership: ClassVar[bool] = False
    """A record is a key and nothing else (a list's member, who has a tag): `row` has no value, `content` gives ""."""
    keeps_state: ClassVar[bool] = True
    """False for tools that deliver messages: what was sent cannot be changed or taken back."""
    exact_once: ClassVar[bool] = True
    """False where the tool itself offers no way to know whether a call whose answer was lost took effect."""

    is_slow: ClassVar[bool] = False
    """True for a real tool that takes minutes to install: its tests run with `make test-slow`."""
    weathers: ClassVar[int] = 4
    """In how many seeds of bad weather it is tried: fewer for a real tool that takes its time."""

    @property
    def tool(self) -> str:
        return type(self).__module__.rpartition(".")[2]

    @property
    def name(self) -> str:
        return f"{self.tool}-{type(self).__name__.lower()}"

    @abstractmethod
    def server(self, folder: Path) -> AbstractContextManager[Running]:
        """Start the tool, empty; `folder` is its own. May skip the test with the reason."""

    @abstractmethod
    def content(self, server: Any) -> list[tuple[str, str]]:
        """Key and value of every live record that holds our value, sorted; who is there twice is here twice."""

    def key(self, n: int) -> str:
        """The key of person n, as it comes back from `content`."""
        return f"p{n}@example.com"

    def row(self, n: int, value: str) -> dict[str, Any]:
        """The model's row of person n (without customer_id)."""
        return {self.sync["key"]: self.key(n), self.value: value}

    def poisoned(self, n: int) -> dict[str, Any] | None:
        """A row that the tool refuses, for a reason of its own; None: it takes anything."""
        return None

    def wrong_credentials(self, environment: dict[str, str]) -> dict[str, str] | None:
        """The environment with credentials that the tool refuses; None: it has none."""
        return None

    def before(self, server: Any, n: int) -> None:
        """Put a record with the key of person n there, as somebody else would have; it holds none of our values."""
        raise NotImplementedError

    def faults(self, server: Any) -> Faults | None:
        """The faults of the server, to be armed; None when it is the real tool."""
        return getattr(server, "faults", None)


def cases() -> Iterator[Case]:
    """Every case of every destination. A destination without a file here is an error."""
    for name in destination_names():
        module = importlib.import_module(f"servers.{name}")
        found = [
            value
            for value in vars(module).values()
            if isinstance(value, type)
            and issubclass(value, Case)
            and value.__module__ == module.__name__
            and not value.__name__.startswith("_")
        ]
        if not found:
            raise LookupError(f"tests/servers/{name}.py has no Case")
        yield from (kind() for kind in found)
