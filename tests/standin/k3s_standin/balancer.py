# SPDX-License-Identifier: Apache-2.0
"""An agent's way to the servers: one port on loopback, in front of all that live (k3s.md A.4 lb-server-port, C.3)."""

from __future__ import annotations

import asyncio
import contextlib
import typing as t

from k3s_standin import serving
from k3s_standin.log import info

_PAUSE = 1.0
_PATIENCE = 2.0
_BLOCK = 1 << 16


class Balancer:
    """Keeps to one server while it answers; its connections are cut when it does not, so that clients come again."""

    def __init__(self, servers: t.Sequence[str]) -> None:
        self._servers = list(servers)
        self._loop = asyncio.new_event_loop()
        self._open: dict[str, set[asyncio.StreamWriter]] = {}
        self._failed: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, port: int) -> None:
        """:raises OSError: the port is taken."""
        self._tasks.add(self._loop.create_task(self._check()))
        serving.run(self._loop, asyncio.start_server(self._serve, "127.0.0.1", port, backlog=512))

    def stop(self) -> None:
        serving.stop(self._loop)

    def update(self, servers: t.Sequence[str]) -> None:
        """What the cluster says; the one that answers now stays first."""
        if not servers or sorted(servers) == sorted(self._servers):
            return
        kept = [one for one in self._servers if one in servers]
        self._servers = kept + [one for one in servers if one not in kept]
        info(f"Updated load balancer k3s-agent-load-balancer server addresses -> {self._servers}")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened = await self._connect()
        if opened is None:
            writer.close()
            return
        server, inward, outward = opened
        members = self._open.setdefault(server, set())
        members.update((writer, outward))
        try:
            await asyncio.gather(_copy(reader, outward), _copy(inward, writer))
        finally:
            members.difference_update((writer, outward))
            for one in (writer, outward):
                with contextlib.suppress(OSError):
                    one.close()

    async def _connect(self) -> tuple[str, asyncio.StreamReader, asyncio.StreamWriter] | None:
        for server in sorted(self._servers, key=lambda one: self._failed.get(one, 0) > 1):
            try:
                reader, writer = await asyncio.wait_for(_open(server), _PATIENCE)
            except (OSError, asyncio.TimeoutError):
                continue
            return server, reader, writer
        return None

    async def _check(self) -> None:
        while True:
            for server in list(self._servers):
                try:
                    _reader, writer = await asyncio.wait_for(_open(server), _PATIENCE)
                    writer.close()
                    self._failed[server] = 0
                except (OSError, asyncio.TimeoutError):
                    self._failed[server] = self._failed.get(server, 0) + 1
                    if self._failed[server] > 1:
                        for one in list(self._open.get(server, ())):
                            one.transport.abort()
            await asyncio.sleep(_PAUSE)


async def _open(server: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _colon, port = server.rpartition(":")
    return await asyncio.open_connection(host.strip("[]"), int(port))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while block := await reader.read(_BLOCK):
            writer.write(block)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


__all__ = ("Balancer",)
