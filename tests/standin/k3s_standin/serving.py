# SPDX-License-Identifier: Apache-2.0
"""A loop of asyncio in a thread of its own, beside a program that waits in others."""

from __future__ import annotations

import asyncio
import threading
import typing as t

_threads: dict[int, tuple[threading.Thread, asyncio.AbstractServer]] = {}


def run(loop: asyncio.AbstractEventLoop, begin: t.Coroutine[t.Any, t.Any, asyncio.AbstractServer]) -> None:
    """Start a server and serve.

    :raises OSError: its port is taken.
    """
    server = loop.run_until_complete(begin)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    _threads[id(loop)] = (thread, server)
    thread.start()


def stop(loop: asyncio.AbstractEventLoop) -> None:
    """End everything within; only tests have a use for it."""
    thread, server = _threads.pop(id(loop))
    asyncio.run_coroutine_threadsafe(_end(server), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


async def _end(server: asyncio.AbstractServer) -> None:
    server.close()
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


__all__ = ("run", "stop")
