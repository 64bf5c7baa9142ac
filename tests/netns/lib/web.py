# SPDX-License-Identifier: MIT
"""HTTP as browsers, monitoring and worse clients speak it to the daemon."""

import http.client
import multiprocessing
import resource
import selectors
import socket
import time

from .waiting import scaled

PORT = 9514
_CHANGE_S = 0.05


class Answer:
    """What came back."""

    def __init__(self, response):
        self.status, self.headers = response.status, dict(response.getheaders())
        self.body = response.read().decode()


def ask(namespace, path, address="127.0.0.1", port=PORT, method="GET", timeout_s=10,
        host=None):
    """Asks from inside a namespace, by another Host where given. Raises OSError where nobody
    answers."""
    with namespace.entered():
        connection = http.client.HTTPConnection(address, port, timeout=scaled(timeout_s))
        try:
            connection.request(method, path, headers={"Host": host} if host else {})
            return Answer(connection.getresponse())
        finally:
            connection.close()


def answers(namespace, *where):
    """Whether /healthz is answered, with whatever status."""
    try:
        return ask(namespace, "/healthz", *where).status in (200, 503)
    except OSError:
        return False


class SlowClients:
    """A process that holds connections, each sending a header byte by byte; one that is closed is
    opened again at once."""

    def __init__(self, namespace, address, count, port=PORT):
        context = multiprocessing.get_context("fork")
        self._where, self._count = (address, port), count
        self._end = context.Event()
        self.opened, self.sent = context.Value("L", 0), context.Value("L", 0)
        with namespace.entered():
            self._process = context.Process(target=self._run, daemon=True)
            self._process.start()

    def _open(self, selector):
        client = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        client.connect_ex(self._where)
        selector.register(client, selectors.EVENT_READ)
        self.opened.value += 1
        return client

    def _run(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
        selector = selectors.DefaultSelector()
        clients = {self._open(selector) for _ in range(self._count)}
        while not self._end.is_set():
            for client in list(clients):
                try:
                    self.sent.value += client.send(b"G")
                except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                    pass  # what has been closed shows below
            # The pace of a slow client, not a wait for anything.
            until = time.monotonic() + _CHANGE_S
            while (left := until - time.monotonic()) > 0:
                for key, _ in selector.select(left):
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
                    clients.remove(key.fileobj)
                    clients.add(self._open(selector))

    def stop(self):
        """Closes them all; returns how many were opened."""
        self._end.set()
        self._process.join()
        return self.opened.value
