# SPDX-License-Identifier: Apache-2.0
"""What the stand-in says of failures is what k3s, a program in Go, says of them."""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
import typing as t
from pathlib import Path

import pytest
from k3s_standin import client, config, node
from k3s_standin.identity import Identity
from k3s_standin.log import Fatal
from k3s_standin.paths import Paths


def said(port: int, context: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> str:
    with pytest.raises(OSError) as caught:
        client.request(f"https://{host}:{port}/ping", context or client.unverified(), timeout=5)
    return str(caught.value)


@pytest.fixture
def listener() -> t.Iterator[socket.socket]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        found.listen()
        yield found


def test_a_port_where_nobody_listens(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    listener.close()
    assert said(port) == f"dial tcp 127.0.0.1:{port}: connect: connection refused"


def test_somebody_who_hangs_up(listener: socket.socket) -> None:
    """As the balancer of an agent does when no server answers it."""

    def hang_up() -> None:
        accepted, _address = listener.accept()
        accepted.recv(1 << 16)
        accepted.close()

    threading.Thread(target=hang_up, daemon=True).start()
    assert said(listener.getsockname()[1]) == "EOF"


def test_a_connection_that_was_closed_in_order() -> None:
    assert client.as_go_says(ssl.SSLZeroReturnError(6, "TLS/SSL connection has been closed (EOF)"), "x", 1) == "EOF"


def test_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_arguments: object, **_more: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert said(6443, host="api.lab") == "dial tcp: lookup api.lab: no such host"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (9, r"x509: certificate has expired or is not yet valid: current time \S+Z is before$"),
        (10, r"x509: certificate has expired or is not yet valid: current time \S+Z is after$"),
        (19, r"x509: certificate signed by unknown authority$"),
    ],
)
def test_certificates(code: int, words: str) -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, "of OpenSSL"
    found = client.as_go_says(error, "192.0.2.11", 6443)
    assert found.startswith("tls: failed to verify certificate: ")
    assert re.search(words, found)


def test_nothing_is_valid_before_its_ca(tmp_path: Path) -> None:
    """k3s.md C.1; a machine whose clock is behind the first server's trusts nobody."""
    identity = Identity(Paths(tmp_path))
    identity.create(config.Settings("server", {}, ()))
    context = client.trusting(identity.server_ca)
    found = context.get_ca_certs()[0]
    begin = ssl.cert_time_to_seconds(str(found["notBefore"]))
    assert begin == pytest.approx(time.time(), abs=60)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"cgroup.controllers": "cpuset cpu io pids\n"}, r"^failed to find memory cgroup \(v2\)$"),
        ({"mountinfo": "30 25 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"}, r"cgroup_enable=memory"),
    ],
)
def test_a_kernel_without_the_controller_of_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, files: dict[str, str], words: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(node, "Path", lambda path: tmp_path / Path(path).name)
    with pytest.raises(Fatal, match=words):
        node.see_cgroups()


@pytest.mark.parametrize(
    "files",
    [
        {"cgroup.controllers": "cpuset cpu io memory pids\n"},
        {"mountinfo": "30 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"},
    ],
)
def test_a_kernel_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(node, "Path", lambda path: tmp_path / Path(path).name)
    node.see_cgroups()
