"""A tool on loopback: HTTP with the tool's true limits, and faults by seed. A tool's own file says what it answers."""

import json
import random
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self
from urllib.parse import parse_qs, urlsplit

from reverse_etl.limits import Rate


@dataclass
class Request:
    """What came in. `query` and `form` keep the first value of a name."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    raw_query: str = ""

    def all(self, name: str) -> list[str]:
        """Every value of a name in the query."""
        return parse_qs(self.raw_query, keep_blank_values=True).get(name, [])

    def json(self) -> Any:
        return json.loads(self.body)

    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode(), keep_blank_values=True).items()}


@dataclass
class Answer:
    """What goes out: `body` is JSON, unless it is bytes."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    reason: str | None = None
    """The text of the status line, for tools that put their message there."""
    cut: bool = False
    """The connection breaks half way through the body."""


@dataclass
class Faults:
    """Shares of calls, by seed, that go wrong.

    `drop_before`: nothing happened; `drop_after`: it happened and the answer is lost; `unavailable`: 503;
    `too_many`: 429; `silent`: the call is answered as a success, and nothing was written; `not_json`: it happened, and
    the answer is what PHP has to say about it.
    """

    seed: int = 0
    drop_before: float = 0.0
    drop_after: float = 0.0
    unavailable: float = 0.0
    too_many: float = 0.0
    silent: float = 0.0
    not_json: float = 0.0
    retry_after: float | None = 0.01
    latency: float = 0.0
    """Seconds each call takes."""

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._lock = threading.Lock()

    def draw(self) -> str | None:
        with self._lock:
            value = self._random.random()
        for name in ("drop_before", "drop_after", "unavailable", "too_many", "silent", "not_json"):
            value -= getattr(self, name)
            if value < 0:
                return name
        return None


class ToolServer(ABC):
    """Context manager: a tool with its state. `handle` is called for one request at a time."""

    rates: ClassVar[tuple[Rate, ...]] = ()
    """Beyond them calls are answered with 429, and noted in `broken`."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.requests: list[Request] = []
        self.broken: list[str] = []
        """Limits of the tool that a client broke (batch too large, too fast ...): a well-behaved one breaks none."""
        self.loses: set[tuple[str, str]] = set()
        """Methods and paths of calls that are done and whose answers are lost."""
        self.is_silent = False
        """For the request at hand: answer as if all went well, write nothing."""
        self._lock = threading.RLock()
        self._windows = [(rate, deque[float](maxlen=rate.calls)) for rate in self.rates]
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.tool = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=lambda: self._server.serve_forever(poll_interval=0.02), daemon=True)

    @property
    @abstractmethod
    def environment(self) -> dict[str, str]:
        """What the destination reads: address and credentials."""

    @abstractmethod
    def handle(self, request: Request) -> Answer:
        """The tool's answer."""

    def too_many(self) -> Answer:
        """The tool's 429."""
        wait = self.faults.retry_after
        return Answer(429, {}, {} if wait is None else {"Retry-After": str(wait)})

    @contextmanager
    def mute(self, which: Callable[[Request], bool]) -> Iterator[None]:
        """Calls of this kind are carried out and then answered with 503: nobody hears of it."""
        handle = self.handle

        def lose(request: Request) -> Answer:
            answer = handle(request)
            return Answer(503, b"") if which(request) else answer

        self.handle = lose  # type: ignore[method-assign]
        try:
            yield
        finally:
            self.handle = handle  # type: ignore[method-assign]

    @property
    def calls(self) -> int:
        return len(self.requests)

    def answer(self, request: Request) -> Answer | None:
        """The answer under the faults that are armed; None drops the connection."""
        if self.faults.latency:
            time.sleep(self.faults.latency)
        fault = self.faults.draw()
        with self._lock:
            self.requests.append(request)
            if fault == "drop_before":
                return None
            if fault == "unavailable":
                return Answer(503, b"")
            if fault == "too_many":
                return self.too_many()
            if not self._in_pace():
                self.broken.append(f"pace: {request.method} {request.path}")
                return self.too_many()
            self.is_silent = fault == "silent"
            answer = self.handle(request)
        if fault == "not_json":
            return Answer(200, b"<br />\n<b>Warning</b>:  Undefined array key in CRMEntity.php")
        is_lost = fault == "drop_after" or (request.method, request.path) in self.loses
        return None if is_lost else answer

    def _in_pace(self) -> bool:
        now = time.monotonic()
        # a client's clock starts when it sends, ours when it arrives: 50 ms of grace
        if any(len(times) == rate.calls and now < times[0] + rate.seconds - 0.05 for rate, times in self._windows):
            return False
        for _, times in self._windows:
            times.append(now)
        return True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "_Server"

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", "0")))
        answer = self.server.tool.answer(Request(self.command, parts.path, query, headers, body, parts.query))
        if answer is None:
            self.close_connection = True
            return
        content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        if answer.status == 204:
            content = b""
        self.send_response_only(answer.status, answer.reason)
        self.send_header("Server", self.version_string())
        self.send_header("Date", answer.headers.pop("Date", self.date_time_string()))
        for name, value in ({"Content-Type": "application/json"} | answer.headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if answer.cut else content)
        self.close_connection = self.close_connection or answer.cut

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    tool: ToolServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no news."""
