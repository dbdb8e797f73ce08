"""The case of `vtiger`: contacts of a local webservice with the real one's traps (vtiger_server.py)."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from vtiger_server import VtigerServer

from servers.case import Case


class Contacts(Case):
    sync = {"object": "Contacts", "key": "email", "options": {"settle_seconds": 0.05}}  # noqa: RUF012
    value = "cf_kinship_stage"

    def server(self, folder: Path) -> AbstractContextManager[VtigerServer]:
        return VtigerServer()

    def row(self, n: int, value: str) -> dict[str, Any]:
        return {"email": self.key(n), "lastname": f"O'Neil {n}", "cf_kinship_stage": value}

    def poisoned(self, n: int) -> dict[str, Any]:
        return {**self.row(n, "lead"), "lastname": None}

    def wrong_credentials(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"KINSHIP_VTIGER_ACCESS_KEY": "wrong"}

    def before(self, server: Any, n: int) -> None:
        server.crm.add(email=self.key(n), lastname="theirs")

    def content(self, server: Any) -> list[tuple[str, str]]:
        live = server.crm.live()
        return sorted((record["email"], record["cf_kinship_stage"]) for record in live if record["cf_kinship_stage"])
