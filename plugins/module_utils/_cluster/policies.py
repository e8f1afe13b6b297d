# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Set ``cni-policies``: what reaches pods in Kubernetes' own namespaces under the CIS profile of k3s.

https://docs.k3s.io/security/hardening-guide#networkpolicies
"""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import Object

SET = "cni-policies"
_SYSTEM = "kube-system"
#: pods are reached from their own namespace only
_CLOSED = ("default", "kube-public", _SYSTEM)
_DNS: t.Final = [{"port": 53, "protocol": protocol} for protocol in ("TCP", "UDP")]
#: pods of k3s's own that everybody may reach: name, label, rule. They stay closed where they are not.
_OPEN: tuple[tuple[str, tuple[str, str], Object], ...] = (
    ("default-network-dns-policy", ("k8s-app", "kube-dns"), {"ports": _DNS}),
    ("allow-all-metrics-server", ("k8s-app", "metrics-server"), {}),
    ("allow-all-svclbtraefik-ingress", ("svccontroller.k3s.cattle.io/svcname", "traefik"), {}),
    ("allow-all-traefik-v121-ingress", ("app.kubernetes.io/name", "traefik"), {}),
)


def policies_set(profile: str) -> Object:
    """The set of a profile; without one, whatever an earlier one brought is removed."""
    if profile != "cis":
        return {"name": SET, "state": "absent"}
    closed = [_policy("intra-namespace", namespace, {}, {"from": [_namespace(namespace)]}) for namespace in _CLOSED]
    opened = [_policy(name, _SYSTEM, {"matchLabels": dict([label])}, rule) for name, label, rule in _OPEN]
    return {"name": SET, "definitions": [*closed, *opened]}


def _namespace(name: str) -> Object:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def _policy(name: str, namespace: str, pods: Object, rule: Object) -> Object:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"podSelector": pods, "policyTypes": ["Ingress"], "ingress": [rule]},
    }


__all__ = ("SET", "policies_set")
