# SPDX-License-Identifier: Apache-2.0
"""The port of a server: TLS ends here, the supervisor's paths are answered, everything else goes to kube-apiserver.

Who came with a client certificate is named to kube-apiserver by an authenticating proxy's headers, as k3s's own process
knows it without a word. Only HTTP/1.1 is offered.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path

from k3s_standin import serving
from k3s_standin.supervisor import Supervisor

_HEAD = 1 << 20
_BLOCK = 1 << 16
_WORDS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 503: "Unavailable"}

Headers = list[tuple[str, str]]


class Front:
    """Serves in a thread of its own."""

    def __init__(self, supervisor: Supervisor, tls: Path, api_port: int) -> None:
        self._supervisor, self._tls, self._api_port = supervisor, tls, api_port
        self._loop = asyncio.new_event_loop()
        self._inner: dict[bool, ssl.SSLContext] = {}

    def start(self, address: str, port: int) -> None:
        """:raises OSError: the port is taken."""
        outer = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        outer.load_cert_chain(self._tls / "serving-k3s.crt", self._tls / "serving-k3s.key")
        outer.load_verify_locations(self._tls / "client-ca.crt")
        outer.verify_mode = ssl.CERT_OPTIONAL
        outer.set_alpn_protocols(["http/1.1"])
        for named in (False, True):
            inner = ssl.create_default_context(cafile=str(self._tls / "server-ca.crt"))
            if named:
                inner.load_cert_chain(self._tls / "client-auth-proxy.crt", self._tls / "client-auth-proxy.key")
            self._inner[named] = inner
        begin = asyncio.start_server(self._serve, address or None, port, ssl=outer, limit=_HEAD, backlog=512)
        serving.run(self._loop, begin)

    def stop(self) -> None:
        serving.stop(self._loop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        backend: asyncio.StreamWriter | None = None
        pump: asyncio.Task[None] | None = None
        try:
            user = _identity(writer)
            while True:
                first, headers = _parse(await reader.readuntil(b"\r\n\r\n"))
                path = first.split(" ")[1]
                if self._supervisor.is_mine(path):
                    await self._own(reader, writer, path, headers)
                    continue
                if backend is None:
                    inward, backend = await asyncio.open_connection(
                        "127.0.0.1", self._api_port, ssl=self._inner[bool(user)], limit=_HEAD
                    )
                    pump = asyncio.create_task(_copy(inward, writer))
                backend.write(_head(first, headers, user))
                if _value(headers, "upgrade"):
                    await _copy(reader, backend)
                    return
                await _body(reader, backend, headers)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, ValueError, IndexError):
            if backend is None and not writer.is_closing():
                with contextlib.suppress(OSError):
                    writer.write(_response(503, "text/plain", b"apiserver not ready\n", close=True))
        finally:
            if pump is not None:
                pump.cancel()
            for one in (backend, writer):
                if one is not None:
                    with contextlib.suppress(OSError):
                        one.close()

    async def _own(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, headers: Headers
    ) -> None:
        await reader.readexactly(int(_value(headers, "content-length") or 0))
        lower = {name.lower(): value for name, value in headers}
        answer = await self._loop.run_in_executor(None, self._supervisor.answer, path, lower)
        writer.write(_response(*answer))
        await writer.drain()


def _identity(writer: asyncio.StreamWriter) -> tuple[str, list[str]] | None:
    certificate = writer.get_extra_info("peercert")
    if not certificate:
        return None
    fields = [pair for group in certificate.get("subject", ()) for pair in group]
    names = [value for key, value in fields if key == "commonName"]
    return (names[-1], [value for key, value in fields if key == "organizationName"]) if names else None


def _parse(head: bytes) -> tuple[str, Headers]:
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return first, [(name, value.strip()) for name, _colon, value in pairs]


def _value(headers: Headers, wanted: str) -> str:
    return next((value for name, value in headers if name.lower() == wanted), "")


def _head(first: str, headers: Headers, user: tuple[str, list[str]] | None) -> bytes:
    kept = [(name, value) for name, value in headers if not name.lower().startswith("x-remote-")]
    if user is not None:
        kept.append(("X-Remote-User", user[0]))
        kept.extend(("X-Remote-Group", group) for group in user[1])
    lines = [first, *(f"{name}: {value}" for name, value in kept), "", ""]
    return "\r\n".join(lines).encode("latin-1")


async def _body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, headers: Headers) -> None:
    if "chunked" in _value(headers, "transfer-encoding").lower():
        while True:
            line = await reader.readuntil(b"\r\n")
            size = int(line.split(b";")[0], 16)
            writer.write(line)
            if size == 0:
                while line != b"\r\n":
                    line = await reader.readuntil(b"\r\n")
                    writer.write(line)
                break
            writer.write(await reader.readexactly(size + 2))
            await writer.drain()
    else:
        left = int(_value(headers, "content-length") or 0)
        while left:
            block = await reader.read(min(left, _BLOCK))
            if not block:
                raise asyncio.IncompleteReadError(b"", left)
            left -= len(block)
            writer.write(block)
            await writer.drain()
    await writer.drain()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.CancelledError):
        while block := await reader.read(_BLOCK):
            writer.write(block)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


def _response(status: int, kind: str, body: bytes, *, close: bool = False) -> bytes:
    lines = [
        f"HTTP/1.1 {status} {_WORDS.get(status, 'Error')}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        *(["Connection: close"] if close else []),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


__all__ = ("Front",)
