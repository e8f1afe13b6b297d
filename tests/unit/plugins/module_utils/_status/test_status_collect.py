# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0
"""Asks a small server that speaks the API's paths, and sockets that answer wrongly or not at all."""

from __future__ import annotations

import contextlib
import errno
import http.server
import json
import socket
import ssl
import threading
import typing as t
import urllib.parse
from pathlib import Path

import pytest
import status_snapshots as snapshots
from ansible_collections.kateskit.klubster.plugins.module_utils._status.balance import pools_of, services_of
from ansible_collections.kateskit.klubster.plugins.module_utils._status.collect import (
    Answer,
    Unanswered,
    connect,
    gather,
    reason_of,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._status.model import Object, Snapshot
from ansible_collections.kateskit.klubster.plugins.module_utils._status.routing import speakers_of, told_of
from ansible_collections.kateskit.klubster.plugins.modules.cluster_status import run

PATHS = {
    "/api/v1/nodes": "Node",
    "/api/v1/pods": "Pod",
    "/api/v1/services": "Service",
    "/api/v1/persistentvolumeclaims": "PersistentVolumeClaim",
    "/api/v1/events": "Event",
    "/apis/apps/v1/daemonsets": "DaemonSet",
    "/apis/apps/v1/deployments": "Deployment",
    "/apis/discovery.k8s.io/v1/endpointslices": "EndpointSlice",
    "/apis/storage.k8s.io/v1/storageclasses": "StorageClass",
    "/apis/metallb.io/v1beta1/ipaddresspools": "IPAddressPool",
    "/apis/metallb.io/v1beta1/l2advertisements": "L2Advertisement",
    "/apis/metallb.io/v1beta1/bgpadvertisements": "BGPAdvertisement",
    "/apis/metallb.io/v1beta2/bgppeers": "BGPPeer",
    "/apis/metallb.io/v1beta1/servicel2statuses": "ServiceL2Status",
    "/apis/metallb.io/v1beta1/servicebgpstatuses": "ServiceBGPStatus",
}


class Api:
    """Answers as the API of a snapshot would, page by page."""

    def __init__(self, found: Snapshot, page: int = 500) -> None:
        self._found, self._page = found, page
        self.asked: list[str] = []
        self.instead: dict[str, tuple[int, bytes]] = {}

    def __call__(self, path: str) -> Answer:
        self.asked.append(path)
        address = urllib.parse.urlsplit(path)
        if address.path in self.instead:
            return Answer(*self.instead[address.path], "")
        status, body = self._answer(address.path, dict(urllib.parse.parse_qsl(address.query)))
        return Answer(status, body, "Sat, 21 Nov 2026 08:00:00 GMT")

    def _answer(self, path: str, query: dict[str, str]) -> tuple[int, bytes]:
        if path == "/version":
            return 200, json.dumps({"gitVersion": self._found["version"]}).encode()
        if path == "/readyz":
            return 200, b"[+]ping ok\nreadyz check passed\n"
        if path.endswith("/servicecidrs"):
            return 200, json.dumps({"items": [{"spec": {"cidrs": self._found["service_networks"]}}]}).encode()
        objects = self._objects(path)
        if objects is None:
            return 404, b'{"kind": "Status", "message": "the server could not find the requested resource"}'
        begin = int(query.get("continue", "0"))
        rest = begin + self._page
        token = str(rest) if rest < len(objects) else ""
        return 200, json.dumps({"metadata": {"continue": token}, "items": objects[begin:rest]}).encode()

    def _objects(self, path: str) -> list[Object] | None:
        kind = PATHS.get(path)
        objects = t.cast(dict[str, t.Any], self._found)[snapshots.LISTS[kind]] if kind else None
        if objects is None:
            return None
        return [{key: obj[key] for key in obj if key != "kind"} for obj in objects if obj["kind"] == kind]


@contextlib.contextmanager
def served(api: Api) -> t.Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer = api(self.path)
            self.send_response_only(answer.status)
            self.send_header("Date", answer.date or "Sat, 21 Nov 2026 08:00:00 GMT")
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_arguments: t.Any) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def kubeconfig(folder: Path, server: str) -> str:
    path = folder / "kubeconfig"
    data = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "home",
        "contexts": [{"name": "home", "context": {"cluster": "home", "user": "admin"}}],
        "clusters": [{"name": "home", "cluster": {"server": server}}],
        "users": [{"name": "admin", "user": {"token": "s3cret"}}],
    }
    path.write_text(json.dumps(data), encoding="utf-8")
    return str(path)


def ask(path: str, timeout: int = 5) -> dict[str, t.Any]:
    plan = snapshots.load("plan")
    return run(
        {
            "kubeconfig": path,
            "context": "",
            "plan": plan,
            "routers": [],
            "timeout": timeout,
            "kubeconfig_sha256": None,
            "sets": [],
            "secret_values": None,
            "wait": 0,
        }
    )["report"]


def test_what_is_gathered_is_the_snapshot() -> None:
    found = snapshots.snapshot()
    found["workloads"].sort(key=lambda workload: str(workload["kind"]))
    gathered = gather("https://api.home.internal:6443", Api(found))
    for key, value in t.cast(dict[str, t.Any], gathered).items():
        assert value == t.cast(dict[str, t.Any], found)[key], key


def test_nodes_that_announce_by_bgp_are_asked_for_where_there_are_any() -> None:
    path = "/apis/metallb.io/v1beta1/servicebgpstatuses"
    found = snapshots.snapshot()
    api = Api(found)
    gather("", api)
    assert not any(asked.startswith((path, "/apis/metallb.io/v1beta2")) for asked in api.asked)
    status = {"node": "agent2", "serviceName": "web", "serviceNamespace": "shop", "peers": ["router2"]}
    found["advertisements"] = [{"kind": "BGPAdvertisement", "metadata": {"name": "far"}, "spec": {}}]
    found["announcements"] = [
        *(found["announcements"] or []),
        {"kind": "ServiceBGPStatus", "metadata": {"name": "bgp-1"}, "status": status},
        {"kind": "ServiceBGPStatus", "metadata": {"name": "bgp-2"}, "status": {**status, "node": "agent1"}},
    ]
    found["bgp_peers"] = [{"kind": "BGPPeer", "metadata": {"name": "router2"}, "spec": {"peerAddress": "10.77.0.1"}}]
    gathered = gather("", Api(found))
    assert gathered["announcements"] == found["announcements"]
    assert gathered["bgp_peers"] == found["bgp_peers"]
    web = next(one for one in services_of(gathered, pools_of(gathered)) if one["name"] == "web")
    # agent1 announces it in both ways.
    assert web["announced_by"] == ["agent1", "agent2"]


def test_long_lists_are_read_page_by_page() -> None:
    found = snapshots.snapshot()
    api = Api(found, page=4)
    assert gather("", api)["pods"] == found["pods"]
    assert sum(1 for path in api.asked if path.startswith("/api/v1/pods")) == 5


def test_a_cluster_without_metallb() -> None:
    found = snapshots.snapshot("no_pod_network")
    gathered = gather("", Api(found))
    assert (gathered["pools"], gathered["advertisements"], gathered["announcements"]) == (None, None, None)


EIPS: list[Object] = [
    {
        "metadata": {"name": "home", "annotations": {"eip.openelb.kubesphere.io/is-default-eip": "true"}},
        "spec": {"address": "10.77.0.200-10.77.0.203", "protocol": "layer2", "interface": "eth0"},
    },
    {"metadata": {"name": "far"}, "spec": {"address": "203.0.113.0/28", "protocol": "bgp"}},
]
PEERS: list[Object] = [
    {
        "metadata": {"name": "router2"},
        "spec": {
            "conf": {"neighborAddress": "10.77.0.1", "peerAs": 65010, "authPassword": "s3cret"},
            "nodeSelector": {"matchLabels": {"kubernetes.io/hostname": "agent1"}},
        },
    }
]


def with_openelb(eips: list[Object]) -> Snapshot:
    api = Api(snapshots.snapshot("no_pod_network"))
    group = "/apis/network.kubesphere.io/v1alpha2/"
    confs = [
        {"metadata": {"name": "other"}, "spec": {"as": 1}},
        {"metadata": {"name": "default"}, "spec": {"as": 65001}},
    ]
    for name, items in (("eips", eips), ("bgppeers", PEERS), ("bgpconfs", confs)):
        api.instead[group + name] = (200, json.dumps({"items": items}).encode())
    return gather("", api)


def test_openelb_says_the_same_in_words_of_its_own() -> None:
    found = with_openelb(EIPS)
    service: Object = {
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "shop", "annotations": {"lb.kubesphere.io/v1alpha1": "openelb"}},
        "spec": {"type": "LoadBalancer"},
        "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.3"}]}},
    }
    found["services"] = [service]
    pools = {pool["name"]: pool for pool in pools_of(found)}
    assert [(name, pool["size"], pool["auto_assign"], pool["announced"]) for name, pool in pools.items()] == [
        ("far", 16, False, True),
        ("home", 4, True, True),
    ]
    (web,) = services_of(found, pools_of(found))
    assert (web["pool"], web["addresses"], web["announced_by"]) == ("far", ["203.0.113.3"], [])
    (told,) = told_of(found, [web])
    assert told.prefixes == ["203.0.113.3/32"]
    (speaker,) = speakers_of(found)
    assert (speaker.address, speaker.asn, speaker.own, speaker.password) == ("10.77.0.1", 65010, 65001, True)
    assert speaker.nodes == ("agent1",)
    assert "s3cret" not in json.dumps(found)


def test_a_service_that_openelb_passes_over_is_told() -> None:
    found = with_openelb(EIPS)
    service: Object = {"kind": "Service", "metadata": {"name": "web"}, "spec": {"type": "LoadBalancer"}}
    found["services"] = [service]
    (web,) = services_of(found, pools_of(found))
    assert web["why"] == "OpenELB serves only those with the annotation lb.kubesphere.io/v1alpha1: openelb"
    service["metadata"]["annotations"] = {
        "lb.kubesphere.io/v1alpha1": "openelb",
        "eip.openelb.kubesphere.io/v1alpha2": "attic",
    }
    (web,) = services_of(found, pools_of(found))
    assert web["why"] == "it asks for the pool attic, which does not exist"


def test_kinds_that_metallb_left_do_not_hide_openelb() -> None:
    api = Api({**snapshots.snapshot(), "pools": []})
    api.instead["/apis/network.kubesphere.io/v1alpha2/eips"] = (200, json.dumps({"items": EIPS[:1]}).encode())
    assert [one["kind"] for one in gather("", api)["pools"] or []] == ["Eip"]


def test_where_openelb_announces_by_l2_alone_nobody_asks_for_peers() -> None:
    assert with_openelb(EIPS[:1])["bgp_peers"] == []


def test_over_a_real_connection(tmp_path: Path) -> None:
    with served(Api(snapshots.snapshot())) as port:
        report = ask(kubeconfig(tmp_path, f"http://127.0.0.1:{port}"))
    assert (report["healthy"], report["problems"]) == (True, [])
    assert report["generated"] == "2026-11-21T08:00:00Z"
    assert report["api"]["server"] == f"http://127.0.0.1:{port}"
    assert "s3cret" not in json.dumps(report)


@pytest.mark.parametrize(
    ("path", "status", "body", "cause"),
    [
        ("/version", 401, b'{"message": "Unauthorized"}', "unauthorized"),
        ("/api/v1/nodes", 403, b'{"message": "nodes is forbidden"}', "forbidden"),
        ("/api/v1/nodes", 500, b'{"message": "etcdserver: request timed out"}', "failing"),
        ("/api/v1/pods", 503, b"", "failing"),
        ("/version", 200, b"<html>router</html>", "failing"),
    ],
)
def test_answers_that_are_no_use(path: str, status: int, body: bytes, cause: str) -> None:
    api = Api(snapshots.snapshot())
    api.instead[path] = (status, body)
    with pytest.raises(Unanswered) as caught:
        gather("https://api", api)
    assert caught.value.cause == cause
    assert caught.value.server == "https://api"
    assert path in caught.value.why


def test_failing_checks_are_kept_when_the_rest_fails() -> None:
    api = Api(snapshots.snapshot())
    api.instead["/readyz"] = (500, b"[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n")
    assert gather("", api)["failing_checks"] == ["etcd"]
    api.instead["/api/v1/services"] = (500, b"{}")
    with pytest.raises(Unanswered) as caught:
        gather("", api)
    assert (caught.value.failing_checks, caught.value.version) == (["etcd"], "v1.34.2")


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    report = ask(kubeconfig(tmp_path, f"https://127.0.0.1:{port}"))
    assert (report["api"]["cause"], report["api"]["why"]) == ("refused", "the connection is refused")
    assert report["healthy"] is False


def test_somebody_listens_and_never_answers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        report = ask(kubeconfig(tmp_path, f"http://127.0.0.1:{port}"), timeout=1)
    assert (report["api"]["cause"], report["api"]["why"]) == ("timeout", "there is no answer within 1 s")


def test_something_without_tls_answers(tmp_path: Path) -> None:
    with served(Api(snapshots.snapshot())) as port:
        report = ask(kubeconfig(tmp_path, f"https://127.0.0.1:{port}"))
    assert report["api"]["cause"] == "certificate"
    assert report["api"]["why"].startswith("TLS failed:")


def test_a_name_that_nobody_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_arguments: t.Any, **_named: t.Any) -> t.NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    report = ask(kubeconfig(tmp_path, "https://api.home.internal:6443"))
    assert report["api"]["cause"] == "name"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "just text",
        "[1, 2]",
        "a: b: c: s3cret",
        "clusters: s3cret",
        '{"current-context": "x", "contexts": "s3cret"}',
    ],
)
def test_files_that_are_no_kubeconfig(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Unanswered) as caught:
        connect(str(path), "", 1.0)
    assert caught.value.cause == "kubeconfig"
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("part", ["clusters", "users", "contexts", "current-context", "nothing else"])
@pytest.mark.parametrize("name", [None, "other"])
def test_a_damaged_kubeconfig_tells_no_secret(tmp_path: Path, part: str, name: str | None) -> None:
    path = Path(kubeconfig(tmp_path, "https://127.0.0.1:1"))
    data = json.loads(path.read_text(encoding="utf-8"))
    data["clusters"][0]["cluster"] |= {"tls-server-name": None, "certificate-authority-data": "c2VjcmV0"}
    if name is None:
        data.pop(part, None)
    elif part == "current-context":
        data[part] = name
    elif part in data:
        data[part][0]["name"] = name
    path.write_text(json.dumps(data), encoding="utf-8")
    report = ask(str(path), timeout=1)
    assert report["healthy"] is False
    assert "s3cret" not in json.dumps(report)
    assert "c2VjcmV0" not in json.dumps(report)


def test_a_missing_word_of_the_kubeconfig_is_named(tmp_path: Path) -> None:
    path = Path(kubeconfig(tmp_path, "https://127.0.0.1:1"))
    data = json.loads(path.read_text(encoding="utf-8"))
    del data["clusters"][0]["cluster"]["server"]
    path.write_text(json.dumps(data), encoding="utf-8")
    assert ask(str(path))["api"]["why"] == f"{path} is no usable kubeconfig: server is missing"


def test_a_kubeconfig_that_is_not_there(tmp_path: Path) -> None:
    report = ask(str(tmp_path / "none"))
    assert report["api"]["cause"] == "kubeconfig"
    assert report["api"]["why"] == f"there is no file {tmp_path / 'none'}"


def _certificate(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError("certificate verify failed")
    error.verify_code, error.verify_message = code, "something new"
    return error


def _wrapped(error: BaseException) -> Exception:
    outer = RuntimeError("request failed")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize(
    ("error", "cause", "why"),
    [
        (_wrapped(_certificate(10)), "certificate", "the certificate has expired"),
        (_wrapped(_certificate(62)), "certificate", "the certificate is not for this name"),
        (_certificate(20), "certificate", "the certificate is signed by an authority this kubeconfig does not know"),
        (_certificate(99), "certificate", "something new"),
        (_wrapped(OSError(errno.EHOSTUNREACH, "No route to host")), "unreachable", "there is no route to it"),
        (_wrapped(TimeoutError()), "timeout", "there is no answer within 10 s"),
        (_wrapped(ConnectionResetError(errno.ECONNRESET, "reset")), "closed", "the connection broke: request failed"),
    ],
)
def test_what_a_broken_connection_means(error: BaseException, cause: str, why: str) -> None:
    found = reason_of(error, 10)
    assert (found.cause, found.why) == (cause, why)


def test_exceptions_that_contain_each_other_come_to_an_end() -> None:
    one, other = RuntimeError("one"), RuntimeError("other")
    one.__context__, other.__context__ = other, one
    assert reason_of(one).cause == "closed"


def test_names_of_communities_become_their_numbers() -> None:
    path = "/apis/metallb.io/v1beta1/communities"
    names = {"communities": [{"name": "inner", "value": "65001:7"}]}
    found = snapshots.snapshot()
    spec: dict[str, t.Any] = {"ipAddressPools": ["public"], "communities": ["65001:9"]}
    found["advertisements"] = [{"kind": "BGPAdvertisement", "metadata": {"name": "far"}, "spec": spec}]
    api = Api(found)
    gather("", api)
    assert not any(asked.startswith(path) for asked in api.asked), "there are no names"
    spec["communities"] = ["65001:9", "inner", "unknown"]
    for items, wanted in (([{"spec": names}, {}], ["65001:9", "65001:7", "unknown"]), ([], spec["communities"])):
        api = Api(found)
        api.instead[path] = (200, json.dumps({"items": items}).encode())
        (gathered,) = gather("", api)["advertisements"] or []
        assert gathered == {**found["advertisements"][0], "spec": {**spec, "communities": wanted}}


def test_calico_is_asked_where_metallb_announces_nothing() -> None:
    found = snapshots.snapshot()
    api = Api(found)
    gather("", api)
    assert not any("projectcalico" in asked for asked in api.asked)
    found["advertisements"] = []
    found["calico_bgp"] = [
        {"kind": "BGPConfiguration", "metadata": {"name": "default"}, "spec": {"asNumber": 65001}},
        {"kind": "BGPPeer", "metadata": {"name": "router2"}, "spec": {"peerIP": "10.77.0.1"}},
    ]
    api = Api(found)
    for name, kind in (("bgpconfigurations", "BGPConfiguration"), ("bgppeers", "BGPPeer")):
        items = [one for one in found["calico_bgp"] if one["kind"] == kind]
        api.instead[f"/apis/crd.projectcalico.org/v1/{name}"] = (200, json.dumps({"items": items}).encode())
    assert gather("", api)["calico_bgp"] == found["calico_bgp"]
