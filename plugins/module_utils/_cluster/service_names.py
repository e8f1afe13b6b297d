# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Set ``service-names``: a DNS server that gives every LoadBalancer service a name outside the cluster.

CoreDNS with its plugin k8s_external (https://coredns.io/plugins/k8s_external/): ``SERVICE.NAMESPACE.ZONE`` is the
address that the load balancer gave. The names follow the services by themselves, and nothing outside keeps a secret of
the cluster: a DNS server of the network only has to forward or delegate the zone to the address of this one.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import manifests
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import Object, digest_of
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.openelb_objects import service_annotations
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.service_names_place import NAME, NAMESPACE

SET = "service-names"
IMAGE = "coredns"
#: where there is no bundle; the release of CoreDNS that the catalogue has
UPSTREAM = "registry.k8s.io/coredns/coredns:v1.12.1"
_LABELS: t.Final = {"app.kubernetes.io/name": NAME}
_CONFIG_DIGEST = "klubster.kateskit.dev/config"
# No port below 1024, so no privilege.
_PORT, _HEALTH, _READY = 5353, 8080, 8181
_NOBODY = 65532


def names_set(
    bundle: manifests.Bundle,
    *,
    zone: str,
    address: str = "",
    aliases: t.Mapping[str, str] | None = None,
    ttl: int = 30,
    dns_domain: str = "cluster.local",
    balancer: str = "metallb",
) -> Object:
    """The set with the server, ready when its pods are.

    :param zone: the zone below which services have their names, without a dot at its end.
    :param address: what the load balancer shall give the server; empty: whatever is free.
    :param aliases: short names in the zone, and the ``SERVICE.NAMESPACE`` that each stands for.
    :param ttl: seconds that others may keep an answer.
    :param dns_domain: domain of the cluster's own DNS.
    :param balancer: provider of the addresses, each of which is asked in its own way.
    """
    corefile = _corefile(zone, aliases or {}, ttl, dns_domain)
    return {
        "name": SET,
        "definitions": [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
            _namespaced("v1", "ServiceAccount"),
            _cluster_wide("ClusterRole", rules=_RULES),
            _cluster_wide(
                "ClusterRoleBinding",
                roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": _role()},
                subjects=[{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}],
            ),
            _namespaced("v1", "ConfigMap", data={"Corefile": corefile}),
            _namespaced("apps/v1", "Deployment", spec=_deployment(bundle, corefile)),
            _service(address, balancer),
        ],
    }


#: what the plugin kubernetes watches
_RULES: t.Final[list[Object]] = [
    {"apiGroups": [""], "resources": ["services", "namespaces", "pods"], "verbs": ["list", "watch"]},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
]


def _role() -> str:
    return f"klubster:{NAME}"


def _corefile(zone: str, aliases: t.Mapping[str, str], ttl: int, dns_domain: str) -> str:
    # Answers say the name that was asked for: rewriting works both ways.
    rewrites = "".join(
        f"    rewrite name exact {alias}.{zone}. {service}.{zone}. answer auto\n"
        for alias, service in sorted(aliases.items())
    )
    return (
        f"{zone}.:{_PORT} {{\n"
        "    errors\n"
        f"    health :{_HEALTH}\n"
        f"    ready :{_READY}\n"
        f"{rewrites}"
        # For k8s_external alone; its own domain is never asked for here.
        f"    kubernetes {dns_domain}\n"
        f"    k8s_external {zone} {{\n"
        f"        ttl {ttl}\n"
        "    }\n"
        "    loadbalance\n"
        "}\n"
    )


def _deployment(bundle: manifests.Bundle, corefile: str) -> Object:
    container: Object = {
        "name": "coredns",
        "image": UPSTREAM,
        "args": ["-conf", "/etc/coredns/Corefile"],
        "ports": [
            {"name": "dns", "containerPort": _PORT, "protocol": "UDP"},
            {"name": "dns-tcp", "containerPort": _PORT, "protocol": "TCP"},
        ],
        "livenessProbe": {"httpGet": {"path": "/health", "port": _HEALTH}, "failureThreshold": 5},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": _READY}, "periodSeconds": 2},
        "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"memory": "170Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": True}],
    }
    manifests.use_image(bundle, container, IMAGE)
    spec: Object = {
        "serviceAccountName": NAME,
        "priorityClassName": "system-cluster-critical",
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _NOBODY,
            "runAsGroup": _NOBODY,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        # One node may go without the names going.
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": _LABELS},
            }
        ],
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": NAME}}],
    }
    return {
        "replicas": 2,
        "selector": {"matchLabels": _LABELS},
        "template": {
            # A new pod reads the new configuration.
            "metadata": {"labels": _LABELS, "annotations": {_CONFIG_DIGEST: digest_of({"Corefile": corefile})}},
            "spec": spec,
        },
    }


def _service(address: str, balancer: str) -> Object:
    service = _namespaced(
        "v1",
        "Service",
        spec={
            "type": "LoadBalancer",
            # A dead node's pod would be asked for as long as the cluster takes to notice; who announces is gone sooner.
            "externalTrafficPolicy": "Local",
            "selector": _LABELS,
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": "dns"},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": "dns-tcp"},
            ],
        },
    )
    asked = {"metallb.io/loadBalancerIPs": address} if address else {}
    if balancer == "openelb":
        asked = service_annotations(address)
    if asked:
        service["metadata"]["annotations"] = asked
    return service


def _namespaced(api_version: str, kind: str, **content: t.Any) -> Object:
    metadata = {"name": NAME, "namespace": NAMESPACE, "labels": _LABELS}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}


def _cluster_wide(kind: str, **content: t.Any) -> Object:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": _role(), "labels": _LABELS},
        **content,
    }


__all__ = ("IMAGE", "SET", "names_set")
