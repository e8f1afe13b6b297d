# SPDX-License-Identifier: Apache-2.0
"""What a server does for the cluster all the time: endpoints of the API, labels of servers, nodes that went away."""

from __future__ import annotations

import threading
import typing as t

from k3s_standin.children import Children
from k3s_standin.client import Api, HttpError, request, unverified
from k3s_standin.etcd import Etcd
from k3s_standin.log import error, info
from k3s_standin.supervisor import Supervisor

_PAUSE = 1.5
_CONTROL_PLANE, _ETCD = "node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/etcd"
_MEMBER, _ADDRESS = "etcd.k3s.cattle.io/node-name", "etcd.k3s.cattle.io/node-address"
_REMOVE, _REMOVED = "etcd.k3s.cattle.io/remove", "etcd.k3s.cattle.io/removed-node-name"
_SECRETS = "/api/v1/namespaces/kube-system/secrets"
_ENDPOINTS = "/api/v1/namespaces/default/endpoints"
_SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"

Node = t.Mapping[str, t.Any]


class Controllers:
    """Runs on every server; all of them come to the same."""

    def __init__(self, api: Api, supervisor: Supervisor, children: Children, etcd: Etcd | None, port: int) -> None:
        self._api, self._supervisor, self._children = api, supervisor, children
        self._etcd, self._port = etcd, port
        #: etcd member by node
        self._seen: dict[str, str] = {}
        self._silent: dict[str, int] = {}

    def start(self) -> None:
        threading.Thread(target=self._run, daemon=True).start()

    def label(self, name: str, address: str) -> None:
        """This server's node. Its labels are beyond what a node may give itself."""
        labels = {_CONTROL_PLANE: "true"}
        annotations = {}
        if self._etcd is not None:
            labels[_ETCD] = "true"
            annotations = {_MEMBER: self._etcd.name, _ADDRESS: address}
        content = {"metadata": {"labels": labels, "annotations": annotations}}
        self._api.patch(f"/api/v1/nodes/{name}", content)

    def once(self) -> None:
        nodes = self._api.get("/api/v1/nodes")["items"]
        self._endpoints(nodes)
        self._gone({node["metadata"]["name"]: node for node in nodes})

    # --- inside

    def _run(self) -> None:
        while not self._children.stop.wait(_PAUSE):
            try:
                self.once()
            except (OSError, HttpError, KeyError) as exc:
                error(f"controllers: {exc}")

    def _endpoints(self, nodes: t.Sequence[Node]) -> None:
        servers = [address for node in nodes if (address := _address(node)) and _CONTROL_PLANE in _labels(node)]
        live = sorted(address for address in servers if self._lives(address))
        if not live:
            return
        self._supervisor.api_servers = [f"{address}:{self._port}" for address in live]
        labels = {"endpointslice.kubernetes.io/skip-mirror": "true"}
        port = {"name": "https", "port": self._port, "protocol": "TCP"}
        self._put(
            _ENDPOINTS,
            {
                "apiVersion": "v1",
                "kind": "Endpoints",
                "metadata": {"name": "kubernetes", "namespace": "default", "labels": labels},
                "subsets": [{"addresses": [{"ip": address} for address in live], "ports": [port]}],
            },
            "subsets",
        )
        self._put(
            _SLICES,
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": "kubernetes",
                    "namespace": "default",
                    "labels": {"kubernetes.io/service-name": "kubernetes"},
                },
                "addressType": "IPv4",
                "endpoints": [{"addresses": [address], "conditions": {"ready": True}} for address in live],
                "ports": [port],
            },
            "endpoints",
        )

    def _put(self, path: str, wanted: dict[str, t.Any], part: str) -> None:
        found = self._api.find(f"{path}/kubernetes")
        if found is None:
            self._api.create(path, wanted)
        elif found.get(part) != wanted[part] or found.get("ports") != wanted.get("ports"):
            self._api.replace(f"{path}/kubernetes", wanted)

    def _lives(self, address: str) -> bool:
        """A server is out after two silent rounds, and in again at once."""
        try:
            request(f"https://{address}:{self._port}/ping", unverified(), timeout=2)
            self._silent[address] = 0
        except (OSError, HttpError):
            self._silent[address] = self._silent.get(address, 0) + 1
        return self._silent[address] < 2

    def _gone(self, nodes: t.Mapping[str, Node]) -> None:
        for name in [one for one in self._seen if one not in nodes]:
            info(f"Node {name} was deleted")
            self._api.delete(f"{_SECRETS}/{name}.node-password.k3s")
            self._drop(self._seen[name])
            del self._seen[name]
        for name, node in nodes.items():
            annotations = node["metadata"].get("annotations") or {}
            self._seen[name] = annotations.get(_MEMBER, "")
            if annotations.get(_REMOVE) == "true" and _REMOVED not in annotations and self._drop(self._seen[name]):
                content = {"metadata": {"annotations": {_REMOVED: self._seen[name], _REMOVE: None}}}
                self._api.patch(f"/api/v1/nodes/{name}", content)

    def _drop(self, member: str) -> bool:
        """Take a member out of etcd; never our own, another server does that."""
        if self._etcd is None or not member or member == self._etcd.name:
            return False
        for found in self._etcd.members():
            if found.get("name") == member:
                info(f"Removing name={member} id={found['ID']} from etcd")
                try:
                    self._etcd.remove(found["ID"])
                except HttpError as exc:
                    if "not found" not in exc.body:
                        raise
        return True


def _labels(node: Node) -> t.Mapping[str, str]:
    return node["metadata"].get("labels") or {}


def _address(node: Node) -> str:
    found = [one["address"] for one in node.get("status", {}).get("addresses", []) if one["type"] == "InternalIP"]
    return found[0] if found else ""


__all__ = ("Controllers",)
