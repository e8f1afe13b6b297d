# SPDX-License-Identifier: Apache-2.0
"""What stands before kube-apiserver on a server, and before the servers on an agent, on real sockets."""

from __future__ import annotations

import base64
import http.server
import json
import socket
import ssl
import threading
import typing as t
from pathlib import Path

import pytest
from k3s_standin import client, config
from k3s_standin import token as tokens
from k3s_standin.balancer import Balancer
from k3s_standin.front import Front
from k3s_standin.identity import Identity
from k3s_standin.paths import Paths
from k3s_standin.supervisor import REJECTED, Refused, Supervisor


class Backend(http.server.BaseHTTPRequestHandler):
    """Says what it was asked, as kube-apiserver's place."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._say()

    def do_POST(self) -> None:
        self._say()

    def _say(self) -> None:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        groups = self.headers.get_all("X-Remote-Group") or []
        said = json.dumps(
            {
                "path": self.path,
                "user": self.headers.get("X-Remote-User"),
                "groups": groups,
                "bearer": self.headers.get("Authorization"),
                "size": len(body),
            }
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_ignored: t.Any) -> None:
        pass


class Server(t.NamedTuple):
    """A server's front with nothing but a backend behind."""

    paths: Paths
    identity: Identity
    supervisor: Supervisor
    port: int

    def context(self, leaf: str = "") -> ssl.SSLContext:
        tls = self.paths.tls
        files = (tls / f"{leaf}.crt", tls / f"{leaf}.key") if leaf else (None, None)
        return client.trusting(self.identity.server_ca, *files)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@pytest.fixture
def server(tmp_path: Path) -> t.Iterator[Server]:
    paths = Paths(tmp_path)
    identity = Identity(paths)
    identity.create(config.Settings("server", {}, ()))
    identity.set_passwords("geheim", "andere")
    identity.write_tokens()
    identity.issue(["127.0.0.1", "localhost"], [])
    supervisor = Supervisor(paths, identity, "v1.34.2+k3s1", cluster={"a": 1}, critical={"b": 2})
    backend = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(paths.tls / "serving-kube-apiserver.crt", paths.tls / "serving-kube-apiserver.key")
    backend.socket = context.wrap_socket(backend.socket, server_side=True)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    port = free_port()
    front = Front(supervisor, paths.tls, backend.server_address[1])
    front.start("127.0.0.1", port)
    yield Server(paths, identity, supervisor, port)
    front.stop()
    backend.shutdown()
    backend.server_close()


def test_what_anybody_may_ask(server: Server) -> None:
    # k3s.md C.1: /cacerts, /ping, /static/
    assert client.request(f"{server.url}/ping", server.context()) == b"pong"
    assert client.request(f"{server.url}/cacerts", client.unverified()).decode() == server.identity.server_ca
    (server.paths.static / "charts").mkdir(parents=True)
    (server.paths.static / "charts/a.tgz").write_text("chart")
    assert client.request(f"{server.url}/static/charts/a.tgz", server.context()) == b"chart"
    with pytest.raises(client.HttpError, match="404"):
        client.request(f"{server.url}/static/../token", server.context())


@pytest.mark.parametrize(
    ("credentials", "path", "status"),
    [
        ("server:geheim", "/v1-k3s/server-bootstrap", 200),
        ("node:andere", "/v1-k3s/server-bootstrap", 403),
        ("node:andere", "/v1-k3s/config", 200),
        ("server:geheim", "/v1-k3s/config", 200),
        ("node:geheim", "/v1-k3s/config", 401),
        ("", "/v1-k3s/config", 401),
        ("node:andere", "/v1-k3s/unknown", 404),
        ("node:andere", "/v1-k3s/readyz", 503),
    ],
)
def test_who_may_ask_the_rest(server: Server, credentials: str, path: str, status: int) -> None:
    headers = {"Authorization": "Basic " + base64.b64encode(credentials.encode()).decode()} if credentials else {}
    try:
        client.request(f"{server.url}{path}", server.context(), headers=headers)
    except client.HttpError as exc:
        assert exc.status == status
    else:
        assert status == 200


def test_a_client_is_known_behind(server: Server) -> None:
    spoofed = {"X-Remote-User": "root", "x-remote-group": "system:masters"}
    url = f"{server.url}/api/v1/nodes?limit=1"
    said = json.loads(client.request(url, server.context("client-admin"), headers=spoofed))
    assert said["user"] == "system:admin"
    assert said["groups"] == ["system:masters"]
    assert said["path"] == "/api/v1/nodes?limit=1"
    said = json.loads(client.request(url, server.context(), headers={**spoofed, "Authorization": "Bearer a"}))
    assert (said["user"], said["groups"], said["bearer"]) == (None, [], "Bearer a")


def test_one_connection_serves_many_requests(server: Server) -> None:
    context = server.context("client-admin")
    connection = client.http.client.HTTPSConnection("127.0.0.1", server.port, context=context)
    try:
        for path, body, size in (("/a", b"x" * 100_000, 100_000), ("/ping", None, 0), ("/b", iter([b"ab", b"c"]), 3)):
            connection.request("POST" if body else "GET", path, body=body, encode_chunked=True)
            said = connection.getresponse().read()
            assert said == b"pong" if path == "/ping" else json.loads(said)["size"] == size
    finally:
        connection.close()


def test_certificates_of_strangers_are_refused(server: Server, tmp_path: Path) -> None:
    other = Identity(Paths(tmp_path / "other"))
    other.create(config.Settings("server", {}, ()))
    other.issue(["127.0.0.1"], [])
    tls = other.paths.tls
    context = client.trusting(server.identity.server_ca, tls / "client-admin.crt", tls / "client-admin.key")
    with pytest.raises(OSError, match=r"alert|reset|closed|EOF"):
        client.request(f"{server.url}/api", context)


def test_joining_compares_the_ca_first(server: Server) -> None:
    # k3s.md C.1: fetch without trust, compare, trust
    full = server.paths.token.read_text()
    remote = client.connect(server.url, full, "server")
    assert remote.get("/v1-k3s/config") == {"cluster": {"a": 1}, "critical": {"b": 2}, "version": "v1.34.2+k3s1"}
    assert client.connect(server.url, "andere", "node").get("/v1-k3s/apiservers") == []
    with pytest.raises(tokens.TokenError, match="token CA hash does not match"):
        client.connect(server.url, f"K10{'0' * 64}::server:geheim", "server")
    with pytest.raises(client.HttpError, match=r"server-bootstrap: 401 Unauthorized"):
        client.connect(server.url, "falsch", "server").get("/v1-k3s/server-bootstrap")
    with pytest.raises(OSError, match="failed to get CA certs"):
        client.connect(f"https://127.0.0.1:{free_port()}", "geheim", "server")


class Objects:
    """As much of an API as the check of node passwords asks for."""

    def __init__(self) -> None:
        self.kept: dict[str, t.Any] = {}

    def find(self, path: str) -> t.Any:
        return self.kept.get(path.rpartition("/")[2])

    def create(self, _path: str, content: t.Any) -> None:
        data = {name: base64.b64encode(text.encode()).decode() for name, text in content["stringData"].items()}
        self.kept[content["metadata"]["name"]] = {"data": data}


def test_a_name_belongs_to_one_machine(server: Server) -> None:
    # k3s.md B.3
    objects = Objects()
    server.supervisor.api = t.cast(client.Api, objects)
    first = server.supervisor.node("agent1", "one", "10.0.0.1")
    assert set(first) == {"client-kubelet", "client-kube-proxy", "client-k3s-controller", "serving-kubelet"}
    assert list(objects.kept) == ["agent1.node-password.k3s"]
    server.supervisor.node("agent1", "one", "10.0.0.1")
    with pytest.raises(Refused) as caught:
        server.supervisor.node("agent1", "two", "10.0.0.1")
    assert str(caught.value) == REJECTED
    objects.kept.clear()
    server.supervisor.node("agent1", "two", "10.0.0.1")


def echo(name: bytes) -> socket.socket:
    """A server that says its name to whoever comes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            with connection:
                connection.sendall(name)

    threading.Thread(target=serve, daemon=True).start()
    return listener


def test_the_balancer_goes_on_when_a_server_is_gone() -> None:
    one, two = echo(b"one"), echo(b"two")
    addresses = [f"127.0.0.1:{listener.getsockname()[1]}" for listener in (one, two)]
    port = free_port()
    balancer = Balancer(addresses)
    balancer.start(port)

    def said() -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            return connection.recv(10)

    try:
        assert said() == b"one"
        one.shutdown(socket.SHUT_RDWR)
        one.close()
        assert said() == b"two"
        balancer.update([addresses[1]])
        assert said() == b"two"
    finally:
        two.shutdown(socket.SHUT_RDWR)
        two.close()
        balancer.stop()
