"""The case of `medusa`: the real shop, from npm, on a PostgreSQL of the tests. Slow: minutes the first time."""

import atexit
import json
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path
from typing import Any, ClassVar

from ports import free_port

from servers import npm, postgres
from servers.base import Faults
from servers.case import Case
from servers.proxy import Proxy

VERSION = "2.21.2"
CONFIGURATION = """const { defineConfig } = require("@medusajs/framework/utils")
module.exports = defineConfig({
  projectConfig: {
    databaseUrl: process.env.DATABASE_URL,
    http: { storeCors: "*", adminCors: "*", authCors: "*", jwtSecret: "test", cookieSecret: "test" },
  },
  admin: { disable: true },
})
"""


class Shop:
    """A running Medusa, one for all tests; `call` is its API with the rights of an administrator."""

    def __init__(self) -> None:
        environment = npm.environment()
        home = npm.cache("medusa", VERSION)
        if not home.exists():
            npm.install(home, {f"@medusajs/{name}": VERSION for name in ("medusa", "cli", "framework")})
        (home / "medusa-config.js").write_text(CONFIGURATION)
        self._port = postgres.start("logical")
        database = postgres.Database(self._port, "medusa")
        postgres.Database(self._port, "postgres").query("create database medusa")
        self.database = database
        environment |= {
            "DATABASE_URL": database.url, "NODE_ENV": "production", "MEDUSA_DISABLE_TELEMETRY": "true",
            "MEDUSA_FF_ANALYTICS": "false",
        }  # fmt: skip
        program = home / "node_modules" / ".bin" / "medusa"
        npm.call([program, "db:migrate"], home, environment)
        npm.call([program, "user", "-e", "admin@example.com", "-p", "secret-admin"], home, environment)
        port = free_port()
        self._log = Path(tempfile.mkdtemp(prefix="kinship-medusa-")) / "log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [program, "start", "-p", str(port)], cwd=home, env=environment, stdout=log, stderr=log
            )
        atexit.register(self._process.kill)
        self.url = f"http://127.0.0.1:{port}"
        self._wait()
        token = self.call("POST", "/auth/user/emailpass", {"email": "admin@example.com", "password": "secret-admin"})
        self._authorization = f"Bearer {token['token']}"
        self.key: str = self.call("POST", "/admin/api-keys", {"title": "kinship", "type": "secret"})["api_key"]["token"]
        self.proxy = Proxy(self.url)
        self.proxy.__enter__()

    _authorization = ""

    @property
    def environment(self) -> dict[str, str]:
        return {"KINSHIP_MEDUSA_URL": self.proxy.url, "KINSHIP_MEDUSA_API_KEY": self.key}

    @property
    def calls(self) -> int:
        return self.proxy.calls

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        given = {"Content-Type": "application/json"} | (headers or {"Authorization": self._authorization})
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, content, given, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def empty(self) -> None:
        """Forget every customer, group, cart, order and product."""
        self.database.query(
            "truncate customer, customer_group, customer_group_customer, customer_address, cart, "
            '"order", product, product_variant, payment_collection cascade'
        )
        self.database.query("delete from provider_identity where entity_id <> 'admin@example.com'")
        self.proxy.faults = Faults()

    @cached_property
    def market(self) -> dict[str, str]:
        """A region with German tax, a sales channel, a promotion of 10 % and a key of the storefront."""
        vat = {"rate": 19, "name": "VAT", "code": "vat"}
        self.call(
            "POST", "/admin/tax-regions", {"country_code": "de", "provider_id": "tp_system", "default_tax_rate": vat}
        )
        region = self.call("POST", "/admin/regions", {"name": "Here", "currency_code": "eur", "countries": ["de"]})
        channel = self.call("POST", "/admin/sales-channels", {"name": "Web"})["sales_channel"]["id"]
        key = self.call("POST", "/admin/api-keys", {"title": "web", "type": "publishable"})["api_key"]
        self.call("POST", f"/admin/api-keys/{key['id']}/sales-channels", {"add": [channel]})
        method = {
            "type": "percentage",
            "target_type": "items",
            "allocation": "across",
            "value": 10,
            "currency_code": "eur",
        }
        promotion = {"code": "TEN", "type": "standard", "status": "active", "application_method": method}
        self.call("POST", "/admin/promotions", promotion)
        return {"region": region["region"]["id"], "channel": channel, "key": key["token"]}

    def account(self, email: str, **more: Any) -> str:
        """Somebody registers in the storefront; the id of the customer."""
        password = {"email": email, "password": "secret-of-a-customer"}
        token = self.call("POST", "/auth/customer/emailpass/register", password)["token"]
        headers = {"Authorization": f"Bearer {token}", "x-publishable-api-key": self.market["key"]}
        return str(self.call("POST", "/store/customers", {"email": email, **more}, **headers)["customer"]["id"])

    def product(self, title: str, **prices: float) -> dict[str, Any]:
        """A product with a variant for each price, in euros."""
        variants = [
            {
                "title": name, "sku": f"{title}-{name}", "manage_inventory": False, "options": {"Size": name},
                "prices": [{"currency_code": "eur", "amount": amount}, {"currency_code": "usd", "amount": 2 * amount}],
            }
            for name, amount in prices.items()
        ]  # fmt: skip
        asked = {
            "title": title, "status": "published", "options": [{"title": "Size", "values": list(prices)}],
            "sales_channels": [{"id": self.market["channel"]}], "variants": variants,
        }  # fmt: skip
        return dict(self.call("POST", "/admin/products", asked)["product"])

    def order(self, email: str, items: Sequence[Mapping[str, Any]], **more: Any) -> str:
        """An order, by way of a draft."""
        draft = {
            "email": email,
            "region_id": self.market["region"],
            "sales_channel_id": self.market["channel"],
            "items": items,
        }
        made = self.call("POST", "/admin/draft-orders", {**draft, **more})["draft_order"]["id"]
        return str(self.call("POST", f"/admin/draft-orders/{made}/convert-to-order", {})["order"]["id"])

    def pay(self, order: str) -> str:
        """Pay an order; the id of the payment."""
        due = self.call("GET", f"/admin/orders/{order}?fields=total")["order"]["total"]
        asked = {"order_id": order, "amount": due}
        collection = self.call("POST", "/admin/payment-collections", asked)["payment_collection"]["id"]
        self.call("POST", f"/admin/payment-collections/{collection}/mark-as-paid", {"order_id": order})
        found = self.call("GET", f"/admin/orders/{order}?fields=*payment_collections.payments")["order"]
        return str(found["payment_collections"][0]["payments"][0]["id"])

    def _wait(self) -> None:
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/health").close()
                return
            except (urllib.error.URLError, ConnectionError):
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise AssertionError(self._log.read_text()[-2000:]) from None
                time.sleep(0.2)


@cache
def shop() -> Shop:
    """The one of this process, started at the first call."""
    return Shop()


class Customers(Case):
    sync: ClassVar[dict[str, Any]] = {"object": "customers", "key": "email"}
    value = "kinship_stage"
    weathers = 2
    is_slow = True

    @contextmanager
    def server(self, folder: Path) -> Iterator[Shop]:
        running = shop()
        running.empty()
        yield running

    def row(self, n: int, value: str) -> dict[str, Any]:
        return {"email": self.key(n), "last_name": f"O'Neil {n}", "kinship_stage": value}

    def poisoned(self, n: int) -> dict[str, Any]:
        return {**self.row(n, "lead"), "email": "no address"}

    def wrong_credentials(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"KINSHIP_MEDUSA_API_KEY": "sk_wrong-key-of-medusa"}

    def before(self, server: Shop, n: int) -> None:
        server.call("POST", "/admin/customers", {"email": self.key(n), "last_name": "theirs"})

    def faults(self, server: Shop) -> Faults:
        return server.proxy.faults

    def content(self, server: Shop) -> list[tuple[str, str]]:
        customers = server.call("GET", "/admin/customers?limit=1000&fields=email,metadata")["customers"]
        held = ((c["email"], (c["metadata"] or {}).get("kinship_stage")) for c in customers)
        return sorted((email, stage) for email, stage in held if stage)
