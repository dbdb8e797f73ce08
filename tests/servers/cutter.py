"""A connection that breaks: a TCP proxy on loopback that cuts it after some bytes, by seed."""

import contextlib
import random
import socket
import threading


class Cutter:
    """Context manager: `port` leads to `target`. Each connection is cut with the probability `share`, after up to
    `most` bytes in either direction; what was cut is counted in `cuts`."""

    def __init__(self, target: int, *, share: float = 0.0, most: int = 4000, seed: int = 0) -> None:
        self.target, self.share, self.most = target, share, most
        self.cuts = 0
        self._random = random.Random(seed)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]

    def __enter__(self) -> "Cutter":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
                for end in (client, server):
                    # without, each small answer waits 40 ms for an acknowledgement
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                budget = self._random.randrange(self.most) if self._random.random() < self.share else None
                line = _Line(self, client, server, budget)
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=line.pump, args=ends, daemon=True).start()


class _Line:
    def __init__(self, cutter: Cutter, client: socket.socket, server: socket.socket, budget: int | None) -> None:
        self._cutter, self._ends, self._budget = cutter, (client, server), budget
        self._lock = threading.Lock()

    def pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1024):
                with self._lock:
                    if self._budget is not None:
                        if len(data) > self._budget:
                            self._cutter.cuts += 1
                            sink.sendall(data[: self._budget])
                            break
                        self._budget -= len(data)
                sink.sendall(data)
        for end in self._ends:
            # close alone leaves the other thread in its recv
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
