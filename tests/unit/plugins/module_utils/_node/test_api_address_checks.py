# SPDX-License-Identifier: Apache-2.0
"""The programs themselves, asked by this machine's bash and Python, of servers that play the API and etcd."""

from __future__ import annotations

import datetime
import http.server
import socket
import ssl
import subprocess
import sys
import threading
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._node import api_address_checks as checks
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Playing(http.server.ThreadingHTTPServer):
    """Answers with one status, which a test changes."""

    status = 200

    def __init__(self, certificate: Path | None = None) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """A look whether the port takes connections hangs up at once."""


class Handler(http.server.BaseHTTPRequestHandler):
    server: Playing

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: t.Any) -> None:  # noqa: A002 the name of the base class
        pass


class Server:
    """A machine with the programs."""

    def __init__(self, folder: Path, api: Playing, etcd: Playing) -> None:
        self.folder, self.api, self.etcd = folder, api, etcd
        self.clients = socket.create_server(("127.0.0.1", 0))
        port = api.server_address[1]
        for name, text in (
            ("api-answers", checks.api_answers("127.0.0.1", port, folder=folder, memory=folder)),
            ("api-is-ready", checks.api_is_ready(sys.executable)),
            ("etcd-answers", checks.etcd_answers(self.clients.getsockname()[1], etcd.server_address[1], memory=folder)),
        ):
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)

    def well(self, name: str) -> bool:
        done = subprocess.run([self.folder / name], check=False, capture_output=True, text=True, timeout=30)
        assert done.stderr == ""
        return done.returncode == 0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.timezone.utc)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "api")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    path = tmp_path_factory.mktemp("api") / "api.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def server(tmp_path: Path, certificate: Path) -> t.Iterator[Server]:
    with Playing(certificate) as api, Playing() as etcd:
        made = Server(tmp_path, api, etcd)
        with made.clients:
            yield made
        for one in (api, etcd):
            one.shutdown()


def stop(playing: Playing) -> None:
    playing.shutdown()
    playing.server_close()


@pytest.mark.parametrize(("status", "well"), [(200, True), (401, True), (500, False), (403, False)])
def test_an_api_has_to_be_ready_before_its_port_is_believed(server: Server, status: int, well: bool) -> None:
    server.api.status = status
    assert server.well("api-answers") is well
    assert server.api.asked == ["/readyz"]


def test_an_api_that_was_ready_is_asked_for_its_port_only_until_it_is_gone(server: Server) -> None:
    assert server.well("api-answers")
    server.api.status = 500
    assert server.well("api-answers")
    assert server.api.asked == ["/readyz"]
    stop(server.api)
    assert not server.well("api-answers")
    assert not (server.folder / "ready").exists()


@pytest.mark.parametrize(("status", "well"), [(200, True), (503, False)])
def test_etcd_says_itself_whether_it_is_well(server: Server, status: int, well: bool) -> None:
    server.etcd.status = status
    assert server.well("etcd-answers") is well
    assert server.etcd.asked == ["/health"]


def test_etcd_that_takes_no_more_requests_is_not_well_whatever_it_says(server: Server) -> None:
    assert server.well("etcd-answers")
    server.clients.close()
    assert not server.well("etcd-answers")


def test_after_etcd_was_away_the_api_has_to_be_ready_again(server: Server) -> None:
    assert server.well("etcd-answers")
    assert server.well("api-answers")
    stop(server.etcd)
    assert not server.well("etcd-answers")
    # The API may not have noticed yet.
    assert server.well("api-answers")
    server.api.status = 500
    assert not server.well("etcd-answers")
    assert not server.well("api-answers")


def test_where_no_etcd_ever_was_the_api_counts_alone(server: Server) -> None:
    stop(server.etcd)
    assert server.well("api-answers")
    server.api.status = 500
    assert not server.well("etcd-answers")
    assert server.well("api-answers")
