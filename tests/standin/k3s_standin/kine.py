# SPDX-License-Identifier: Apache-2.0
"""A datastore that is no etcd: kine, as in k3s, between the API server and SQLite, PostgreSQL or MySQL (k3s.md C.4)."""

from __future__ import annotations

import socket
import subprocess
import typing as t
from pathlib import Path

from k3s_standin.children import Children
from k3s_standin.log import Fatal
from k3s_standin.paths import Paths

_SQLITE = "sqlite://{path}?_journal=WAL&cache=shared&_busy_timeout=30000&_txlock=immediate"
#: of the API server: for an etcd that speaks TLS, which kine's socket does not
_OF_ETCD = ("--etcd-servers=", "--etcd-cafile=", "--etcd-certfile=", "--etcd-keyfile=")
_SCHEMES = ("postgres", "mysql")


class Kine:
    """Plays the part of ``Etcd`` for a server that keeps its data elsewhere.

    :param endpoint: with a password; it goes into the program's environment, never into its arguments.
    """

    name = ""

    def __init__(self, paths: Paths, program: Path, endpoint: str) -> None:
        self._paths, self._program = paths, program
        self.endpoint = endpoint or _SQLITE.format(path=paths.state_db)
        self._external = bool(endpoint)
        if endpoint and endpoint.partition("://")[0] not in _SCHEMES:
            raise Fatal("not in the stand-in: --datastore-endpoint: only PostgreSQL and MySQL")

    @property
    def exists(self) -> bool:
        """Whether this server has begun with it."""
        return self._paths.passwd.exists()

    @property
    def socket(self) -> Path:
        return self._paths.server / "kine.sock"

    def start(self, children: Children, *, begun: bool) -> None:
        """:raises Fatal: another server has begun with this database."""
        self._paths.db.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.socket.unlink(missing_ok=True)
        arguments = [str(self._program), f"--listen-address=unix://{self.socket}", "--metrics-bind-address=0"]
        children.start("kine", arguments, environment={"KINE_ENDPOINT": self.endpoint})
        children.wait_for("the datastore", self.healthy)
        if self._external and not begun and self._is_used():
            raise Fatal("not in the stand-in: a further server on an external datastore; k3s would read its CAs there")

    def healthy(self) -> bool:
        """kine listens once it has reached the database."""
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(self.socket))
            except OSError:
                return False
        return True

    def _is_used(self) -> bool:
        words = ["get", "/registry/", "--prefix", "--keys-only", "--limit=1"]
        program = [str(self._program.with_name("etcdctl")), f"--endpoints=unix://{self.socket}"]
        return bool(subprocess.run([*program, *words], capture_output=True, text=True, check=True).stdout.strip())

    def adapted(self, arguments: t.Sequence[str]) -> list[str]:
        """The API server's arguments, with this datastore instead of etcd."""
        kept = [word for word in arguments if not word.startswith(_OF_ETCD)]
        return [*kept, f"--etcd-servers=unix://{self.socket}"]


__all__ = ("Kine",)
