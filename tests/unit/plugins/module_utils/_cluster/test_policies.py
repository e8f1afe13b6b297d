# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.policies import policies_set
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.sets import ObjectSet


def test_namespaces_of_kubernetes_are_closed_and_dns_is_open() -> None:
    found = ObjectSet.parse(policies_set("cis"))
    assert {ref.kind.kind for ref in found.refs} == {"NetworkPolicy"}
    by_place = {(obj["metadata"]["namespace"], obj["metadata"]["name"]): obj["spec"] for obj in found.definitions}
    assert {namespace for namespace, name in by_place if name == "intra-namespace"} == {
        "default",
        "kube-public",
        "kube-system",
    }
    for namespace in ("default", "kube-public", "kube-system"):
        (rule,) = by_place[namespace, "intra-namespace"]["ingress"]
        assert rule == {"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}]}
    (dns,) = by_place["kube-system", "default-network-dns-policy"]["ingress"]
    assert {(entry["port"], entry["protocol"]) for entry in dns["ports"]} == {(53, "TCP"), (53, "UDP")}


def test_without_the_profile_they_go() -> None:
    assert ObjectSet.parse(policies_set("none")).state == "absent"
