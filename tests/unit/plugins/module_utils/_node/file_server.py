# SPDX-License-Identifier: Apache-2.0
"""A real HTTP server on this machine that serves files well, or in one of the ways in which servers fail."""

from __future__ import annotations

import hashlib
import ssl
import threading
import typing as t
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_BLOCK = 16 * 1024


@dataclass
class Served:
    """One file, and what is wrong with it.

    :param cut: the connection ends after so many bytes of each answer.
    :param stall: after so many bytes of an answer nothing comes any more.
    :param drip: from there on, single bytes come without an end.
    :param states: added to the length that is stated.
    :param shift: added to the first byte of a range.
    """

    content: bytes = b""
    etag: str | None = None
    ranges: bool = True
    status: int = 200
    location: str | None = None
    cut: int | None = None
    stall: int | None = None
    drip: bool = False
    silent: bool = False
    states: int = 0
    shift: int = 0
    chunked: bool = False

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass
class Asked:
    """One request, and how much of a body it got."""

    path: str
    headers: dict[str, str]
    status: int = 0
    sent: int = 0


@dataclass
class FileServer:
    """Serves ``files`` by path; a proxy's request is served by the path of its URL."""

    files: dict[str, Served] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    certificate: str | None = None
    #: ends whatever stalls
    released: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> FileServer:
        outer = self

        class Handler(_Handler):
            server_of_files = outer

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        # Looks often whether it shall end: that is what a test waits for at last.
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *dummy: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def url(self, path: str, user: str = "") -> str:
        scheme = "https" if self.certificate else "http"
        return f"{scheme}://{user}127.0.0.1:{self.port}{path}"

    @property
    def sent(self) -> int:
        return sum(entry.sent for entry in self.asked)

    @property
    def ranges(self) -> list[str]:
        return [entry.headers.get("range", "") for entry in self.asked]


class _Handler(BaseHTTPRequestHandler):
    server_of_files: t.ClassVar[FileServer]
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: t.Any) -> None:  # noqa: A002 - the name is http.server's
        pass

    def do_GET(self) -> None:
        path = "/" + self.path.split("/", 3)[3] if self.path.startswith("http://") else self.path
        asked = Asked(self.path, {name.lower(): value for name, value in self.headers.items()})
        self.server_of_files.asked.append(asked)
        self.close_connection = True
        served = self.server_of_files.files.get(path.partition("?")[0], Served(status=404))
        try:
            self._answer(served, asked)
        except OSError:
            # The client has gone, which some tests are about.
            return

    def _answer(self, served: Served, asked: Asked) -> None:
        if served.silent:
            self.server_of_files.released.wait(20)
            return
        start, asked.status = 0, served.status
        wanted = self.headers.get("Range")
        held = self.headers.get("If-Range")
        if wanted and served.ranges and served.status == 200 and held in {None, served.etag}:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            asked.status = 206 if start < len(served.content) else 416
        body = served.content[start:] if asked.status in {200, 206} else b""
        self.send_response(asked.status)
        if served.etag:
            self.send_header("ETag", served.etag)
        if served.location:
            self.send_header("Location", served.location)
        if served.ranges and asked.status == 200:
            self.send_header("Accept-Ranges", "bytes")
        if asked.status == 206:
            last = len(served.content) - 1
            self.send_header("Content-Range", f"bytes {start + served.shift}-{last}/{last + 1}")
        if served.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(body) + served.states))
        self.end_headers()
        self._send(served, asked, body)

    def _send(self, served: Served, asked: Asked, body: bytes) -> None:
        limit = len(body) if served.cut is None else min(served.cut, len(body))
        limit = limit if served.stall is None else min(served.stall, limit)
        for begin in range(0, limit, _BLOCK):
            block = body[begin : min(begin + _BLOCK, limit)]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(block), block) if served.chunked else block)
            asked.sent += len(block)
        if served.chunked and limit == len(body):
            self.wfile.write(b"0\r\n\r\n")
        if served.stall is not None:
            while not self.server_of_files.released.wait(0.05 if served.drip else 20) and served.drip:
                self.wfile.write(b".")


__all__ = ("Asked", "FileServer", "Served")
