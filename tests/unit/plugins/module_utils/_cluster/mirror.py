# SPDX-License-Identifier: Apache-2.0
"""A web server on this computer with the files of a folder."""

from __future__ import annotations

import contextlib
import functools
import http.server
import threading
import typing as t
from pathlib import Path


@contextlib.contextmanager
def serving(folder: Path) -> t.Iterator[tuple[str, list[str]]]:
    """Its URL, and the paths that were asked for."""
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, _format: str, *_arguments: t.Any) -> None:
            asked.append(self.path)

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
