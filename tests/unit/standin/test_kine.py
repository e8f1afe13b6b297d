# SPDX-License-Identifier: Apache-2.0
"""SQLite and external datastores by kine (k3s.md C.4)."""

from __future__ import annotations

import socket
import typing as t
from pathlib import Path

import pytest
from k3s_standin.kine import Kine
from k3s_standin.log import Fatal
from k3s_standin.paths import Paths

ENDPOINT = "postgres://k3s:hunter2hunter2@192.0.2.9:5432/k3s"


class FakeChildren:
    """Notes what is started; the socket listens at once."""

    def __init__(self) -> None:
        self.started: list[tuple[list[str], dict[str, str]]] = []
        self.listener = socket.socket(socket.AF_UNIX)

    def start(self, name: str, arguments: t.Sequence[str], *, environment: dict[str, str]) -> None:
        assert name == "kine"
        self.started.append((list(arguments), environment))
        self.listener.bind(next(word for word in arguments if "unix://" in word).partition("unix://")[2])
        self.listener.listen()

    def __del__(self) -> None:
        self.listener.close()

    def wait_for(self, _what: str, done: t.Callable[[], bool]) -> None:
        assert done()


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """etcdctl beside kine, which finds a key."""
    tool = tmp_path / "etcdctl"
    tool.write_text("#!/bin/sh\necho /registry/health\n")
    tool.chmod(0o755)
    return tmp_path / "kine"


def test_the_password_is_in_no_argument(tmp_path: Path, program: Path) -> None:
    kine, children = Kine(Paths(tmp_path), program, ENDPOINT), FakeChildren()
    kine.start(t.cast(t.Any, children), begun=True)
    ((arguments, environment),) = children.started
    assert environment == {"KINE_ENDPOINT": ENDPOINT}
    assert "hunter2" not in str(arguments)
    words = kine.adapted(["/bin/kube-apiserver", "--etcd-servers=https://127.0.0.1:2379", "--etcd-keyfile=x", "--v=2"])
    assert words == ["/bin/kube-apiserver", "--v=2", f"--etcd-servers=unix://{kine.socket}"]


def test_sqlite_lies_where_k3s_has_it(tmp_path: Path, program: Path) -> None:
    kine = Kine(Paths(tmp_path), program, "")
    assert kine.endpoint.startswith(f"sqlite://{tmp_path}/server/db/state.db?")
    assert not kine.exists
    assert not kine.healthy()


def test_a_second_server_is_refused(tmp_path: Path, program: Path) -> None:
    kine = Kine(Paths(tmp_path), program, ENDPOINT)
    with pytest.raises(Fatal, match="a further server on an external datastore"):
        kine.start(t.cast(t.Any, FakeChildren()), begun=False)


def test_other_databases_are_refused(tmp_path: Path, program: Path) -> None:
    with pytest.raises(Fatal, match="only PostgreSQL and MySQL"):
        Kine(Paths(tmp_path), program, "nats://192.0.2.9")
