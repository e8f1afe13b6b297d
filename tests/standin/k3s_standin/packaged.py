# SPDX-License-Identifier: Apache-2.0
"""Manifests that the server writes itself (k3s.md B.6): what its parts may do, and CoreDNS."""

from __future__ import annotations

import json
import typing as t

import yaml

ROLEBINDINGS = "rolebindings.yaml"
COREDNS = "coredns.yaml"

_RBAC = "rbac.authorization.k8s.io"


def _object(
    kind: str, name: str, api: str = "v1", namespace: str = "kube-system", **content: t.Any
) -> dict[str, t.Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **content}


def _binding(name: str, role: str, kind: str, subject: str) -> dict[str, t.Any]:
    who = {"kind": kind, "name": subject, "apiGroup": _RBAC}
    reference = {"apiGroup": _RBAC, "kind": "ClusterRole", "name": role}
    return _object("ClusterRoleBinding", name, f"{_RBAC}/v1", "", subjects=[who], roleRef=reference)


def rolebindings() -> list[dict[str, t.Any]]:
    rules = [
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["nodes/status"], "verbs": ["patch", "update"]},
        {"apiGroups": [""], "resources": ["pods", "namespaces"], "verbs": ["get", "list", "watch"]},
    ]
    return [
        _object("ClusterRole", "system:k3s-controller", f"{_RBAC}/v1", "", rules=rules),
        _binding("system:k3s-controller", "system:k3s-controller", "User", "system:k3s-controller"),
        _binding("kube-apiserver-kubelet-admin", "system:kubelet-api-admin", "User", "kube-apiserver"),
    ]


_COREFILE = """\
.:53 {
    errors
    health
    ready
    kubernetes %(domain)s in-addr.arpa ip6.arpa {
      pods insecure
      fallthrough in-addr.arpa ip6.arpa
    }
    hosts /etc/coredns/NodeHosts {
      ttl 60
      reload 15s
      fallthrough
    }
    prometheus :9153
    forward . /etc/resolv.conf
    cache 30
    loop
    reload
    loadbalance
}
"""


def coredns(image: str, address: str, domain: str) -> list[dict[str, t.Any]]:
    labels = {"k8s-app": "kube-dns"}
    rules = [
        {"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    binding = _binding("system:coredns", "system:coredns", "User", "")
    binding["subjects"] = [{"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}]
    ports = [
        {"name": "dns", "port": 53, "protocol": "UDP"},
        {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
        {"name": "metrics", "port": 9153, "protocol": "TCP"},
    ]
    config = _object("ConfigMap", "coredns", data={"Corefile": _COREFILE % {"domain": domain}, "NodeHosts": ""})
    service = _object(
        "Service",
        "kube-dns",
        spec={"selector": labels, "clusterIP": address, "clusterIPs": [address], "ports": ports},
    )
    service["metadata"]["labels"] = {
        **labels,
        "kubernetes.io/cluster-service": "true",
        "kubernetes.io/name": "CoreDNS",
    }
    return [
        _object("ServiceAccount", "coredns"),
        _object("ClusterRole", "system:coredns", f"{_RBAC}/v1", "", rules=rules),
        binding,
        config,
        _deployment(image, labels),
        service,
    ]


def _deployment(image: str, labels: dict[str, str]) -> dict[str, t.Any]:
    def probe(path: str, port: int) -> dict[str, t.Any]:
        return {"httpGet": {"path": path, "port": port}, "periodSeconds": 2, "timeoutSeconds": 2}

    container = {
        "name": "coredns",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "resources": {"limits": {"memory": "170Mi"}, "requests": {"cpu": "100m", "memory": "70Mi"}},
        "ports": [
            {"name": "dns", "containerPort": 53, "protocol": "UDP"},
            {"name": "dns-tcp", "containerPort": 53, "protocol": "TCP"},
            {"name": "metrics", "containerPort": 9153, "protocol": "TCP"},
        ],
        "volumeMounts": [{"name": "config-volume", "mountPath": "/etc/coredns", "readOnly": True}],
        "livenessProbe": {**probe("/health", 8080), "initialDelaySeconds": 60, "periodSeconds": 10},
        "readinessProbe": probe("/ready", 8181),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["all"]},
            "readOnlyRootFilesystem": True,
        },
    }
    items = [{"key": "Corefile", "path": "Corefile"}, {"key": "NodeHosts", "path": "NodeHosts"}]
    tolerations = [
        {"key": "CriticalAddonsOnly", "operator": "Exists"},
        {"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"},
    ]
    pod = {
        "priorityClassName": "system-cluster-critical",
        "serviceAccountName": "coredns",
        "dnsPolicy": "Default",
        "tolerations": tolerations,
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "containers": [container],
        "volumes": [{"name": "config-volume", "configMap": {"name": "coredns", "items": items}}],
    }
    deployment = _object(
        "Deployment",
        "coredns",
        "apps/v1",
        spec={
            "revisionHistoryLimit": 0,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    )
    deployment["metadata"]["labels"] = {**labels, "kubernetes.io/name": "CoreDNS"}
    return deployment


def local_storage(stamp: t.Mapping[str, t.Any], folder: str) -> str:
    """The bundle's manifest of local-path, with k3s's name, images and folder."""
    objects = [entry for entry in yaml.safe_load_all(str(stamp["local_storage"])) if entry]
    for entry in objects:
        kind = entry["kind"]
        if kind == "StorageClass":
            entry["metadata"].setdefault("annotations", {})["storageclass.kubernetes.io/is-default-class"] = "true"
        elif kind == "ConfigMap":
            paths = [{"node": "DEFAULT_PATH_FOR_NON_LISTED_NODES", "paths": [folder]}]
            entry["data"]["config.json"] = json.dumps({"nodePathMap": paths})
            helper = yaml.safe_load(entry["data"]["helperPod.yaml"])
            for container in helper["spec"]["containers"]:
                container.update(image=stamp["images"]["shell"], imagePullPolicy="IfNotPresent")
            entry["data"]["helperPod.yaml"] = json.dumps(helper)
        elif kind == "Deployment":
            for container in entry["spec"]["template"]["spec"]["containers"]:
                container.update(image=stamp["images"]["local-path-provisioner"], imagePullPolicy="IfNotPresent")
    return text(objects)


def text(objects: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    """JSON, which every reader of YAML takes."""
    return "".join(f"---\n{json.dumps(entry, indent=1)}\n" for entry in objects)


__all__ = ("COREDNS", "ROLEBINDINGS", "coredns", "local_storage", "rolebindings", "text")
