# SPDX-License-Identifier: Apache-2.0
"""Lets a router that plays VyOS be reached by SSH, on this machine only."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import typing as t

import asyncssh
from router import USER, Console, Device

PASSWORD = "s3ssion-of-vyos"


class _Server(asyncssh.SSHServer):
    def __init__(self, device: Device) -> None:
        self._device = device

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return not self._device.unreachable and (username, password) == (USER, PASSWORD)


async def _session(device: Device, process: asyncssh.SSHServerProcess[str]) -> None:
    console = Console(device)
    process.stdout.write(f"Welcome to VyOS!\r\n\r\n{console.prompt}")
    pending = ""
    with contextlib.suppress(asyncssh.BreakReceived, asyncssh.TerminalSizeChanged, ConnectionError):
        while not console.closed and not process.stdin.at_eof():
            pending += (await process.stdin.read(4096)).replace("\r\n", "\n").replace("\r", "\n")
            while "\n" in pending and not console.closed:
                line, _end, pending = pending.partition("\n")
                printed = console.line(line)
                text = f"{line}\n{printed}\n" if printed else f"{line}\n"
                process.stdout.write((text + console.prompt).replace("\n", "\r\n"))
    process.exit(0)


class Serving:
    """A server in a thread of its own, until it is closed."""

    def __init__(self, device: Device) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: t.Any = asyncio.run_coroutine_threadsafe(self._listen(device), self._loop).result(30)
        self.port: int = self._server.sockets[0].getsockname()[1]

    @staticmethod
    async def _listen(device: Device) -> t.Any:
        key = asyncssh.generate_private_key("ssh-ed25519")
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[key],
            server_factory=lambda: _Server(device),
            process_factory=lambda process: _session(device, process),
            line_editor=False,
        )

    def close(self) -> None:
        async def end() -> None:
            self._server.close()
            await self._server.wait_closed()

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()
