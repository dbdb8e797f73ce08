"""Bad weather before a real tool: hands every call on, but for those that a fault meets."""

import http.client
from urllib.parse import urlsplit

from servers.base import Answer, Request, ToolServer


class Proxy(ToolServer):
    """Stands before the HTTP server at `origin`; calls pass one at a time."""

    def __init__(self, origin: str) -> None:
        super().__init__()
        self._origin = urlsplit(origin).netloc

    @property
    def environment(self) -> dict[str, str]:
        return {}

    def handle(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection(self._origin, timeout=60)
        try:
            kept = ("authorization", "content-type", "accept", "x-publishable-api-key", "accept-version")
            headers = {name: value for name, value in request.headers.items() if name in kept}
            path = request.path + ("?" + request.raw_query if request.raw_query else "")
            connection.request(request.method, path, request.body or None, headers)
            answer = connection.getresponse()
            body = answer.read()
            return Answer(answer.status, body, {"Content-Type": answer.getheader("Content-Type") or "text/plain"})
        finally:
            connection.close()
