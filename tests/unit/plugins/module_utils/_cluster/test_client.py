# SPDX-License-Identifier: Apache-2.0
"""The real client against a small server that plays the API."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import threading
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.client import KubernetesService
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import Kind
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.service import Refused, Unreachable

ANSWERS = {
    "/version": {"gitVersion": "v1.34.2", "major": "1", "minor": "34"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "groups": []},
    "/api/v1": {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [
            {"name": "configmaps", "kind": "ConfigMap", "namespaced": True, "singularName": "", "verbs": ["list"]}
        ],
    },
    "/api/v1/configmaps": {"items": [{"metadata": {"name": "one"}}]},
}


class Server(http.server.ThreadingHTTPServer):
    #: how often lists are refused with the request to come again at once
    busy = 0
    asked = 0
    #: how many answers end in their middle
    breaks = 0


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = t.cast("Server", self.server)
        path = self.path.partition("?")[0]
        status, answer = 200, t.cast("dict[str, t.Any]", ANSWERS.get(path, {}))
        if "/configmaps" in path:
            server.asked += 1
            if server.busy:
                server.busy -= 1
                status, answer = 429, {"message": "storage is (re)initializing", "reason": "TooManyRequests"}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == 429:
            self.send_header("Retry-After", "0")
        self.end_headers()
        if server.breaks and "/configmaps" in path:
            server.breaks -= 1
            self.wfile.write(body[:1])
            self.wfile.flush()
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.wfile.write(body)

    def do_PATCH(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_: t.Any) -> None: ...


@pytest.fixture
def server() -> t.Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def service(server: Server, tmp_path: Path) -> KubernetesService:
    path = tmp_path / "kubeconfig"
    cluster = {"name": "a", "cluster": {"server": f"http://127.0.0.1:{server.server_address[1]}"}}
    context = {"name": "a", "context": {"cluster": "a", "user": "a"}}
    users = [{"name": "a", "user": {}}]
    path.write_text(json.dumps({"clusters": [cluster], "contexts": [context], "users": users, "current-context": "a"}))
    return KubernetesService(str(path), cache_dir=str(tmp_path / "cache"))


def test_an_api_that_asks_for_patience_gets_it(server: Server, service: KubernetesService) -> None:
    server.busy = 3
    assert [entry["metadata"]["name"] for entry in service.list(Kind("v1", "ConfigMap"))] == ["one"]
    assert server.asked == 4


def test_patience_has_an_end(server: Server, service: KubernetesService) -> None:
    server.busy = 1000
    with pytest.raises(Refused, match="storage is"):
        service.list(Kind("v1", "ConfigMap"))
    assert server.asked == 11


def test_an_answer_that_breaks_off_is_asked_for_once_more(server: Server, service: KubernetesService) -> None:
    server.breaks = 1
    assert [entry["metadata"]["name"] for entry in service.list(Kind("v1", "ConfigMap"))] == ["one"]
    assert server.asked == 2
    server.breaks = 2
    with pytest.raises(Unreachable, match="does not answer"):
        service.list(Kind("v1", "ConfigMap"))


def test_what_may_have_changed_something_is_not_sent_twice(server: Server, service: KubernetesService) -> None:
    server.breaks = 1
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "namespace": "house"}}
    with pytest.raises(Unreachable, match="does not answer"):
        service.apply(obj, dry_run=False)
    assert server.asked == 1


def test_a_server_that_lost_its_address_is_found_out(service: KubernetesService) -> None:
    options = service._api.configuration.socket_options
    assert (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1) in options
    assert (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5) in options
