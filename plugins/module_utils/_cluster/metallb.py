# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Set ``load-balancer``: MetalLB, native or with FRR beside it, and what it is told of pools and routers.

Where Calico speaks to the routers, MetalLB only gives addresses, and the set has what Calico is told."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import calico_bgp, manifests
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.metallb_objects import (
    NAMESPACE,
    custom_resources,
    given_pools,
    password_secrets,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import DefinitionError, Object

SET = "load-balancer"
IMAGES = ("metallb-controller", "metallb-speaker")
MANIFEST = "metallb-native.yaml"
MANIFEST_FRR = "metallb-frr.yaml"
_MANIFESTS = {"native": MANIFEST, "frr": MANIFEST_FRR, "cni": MANIFEST}
_MODES = ("l2", "bgp")
_RESOURCES = {"requests": {"cpu": "25m", "memory": "64Mi"}}
_WEBHOOKS = "metallb-webhook-configuration"
_WEBHOOK_SERVICE = "metallb-webhook-service"
# The manifest names a tag, which can be moved. https://quay.io/repository/frrouting/frr; this one is for amd64.
_FRR_TAG = "quay.io/frrouting/frr:9.1.0"
FRR_IMAGE = f"{_FRR_TAG}@sha256:f310c2ebb3827fa03b9674ee05e70a7d5eef2123bcc3b475eb2ef14dafcb52b4"


def metallb_set(
    bundle: manifests.Bundle,
    *,
    pools: t.Sequence[t.Mapping[str, t.Any]],
    mode: str = "l2",
    speaker: str = "native",
    l2_advertisements: t.Sequence[t.Mapping[str, t.Any]] = (),
    bgp: t.Mapping[str, t.Any] | None = None,
    on_servers: bool = False,
    pod_networks: t.Sequence[str] = (),
) -> Object:
    """The set with MetalLB, its pools, and what announces them.

    MetalLB's speakers find each other with the help of a shared secret. Its controller would make one, but only after
    the speakers' pods have begun to wait for it; made along with the rest, it costs no waiting.

    :param mode: how pools are announced that do not say it.
    :param speaker: who speaks BGP; ``cni``: Calico, which has no set of its own for that, since it is told of pools.
    :param on_servers: whether servers announce, too; kubeadm labels them so that they do not.
    :param pod_networks: of the cluster; for ``cni``.
    """
    _refuse_unknown("load_balancer_mode", mode, _MODES)
    _refuse_unknown("load_balancer_speaker", speaker, tuple(_MANIFESTS))
    balancer: Object = {"mode": mode, "pools": pools, "l2_advertisements": l2_advertisements, "bgp": bgp or {}}
    objects = manifests.load(bundle, _MANIFESTS[speaker])
    workloads = [("Deployment", "controller"), ("DaemonSet", "speaker")]
    if speaker == "cni":
        if not (balancer["bgp"].get("asn") and balancer["bgp"].get("peers")):
            rule = "Calico announces nothing without a number of the cluster's own and a router"
            raise DefinitionError(f"load_balancer_bgp: {rule}. Give asn and peers, or load_balancer_speaker: native.")
        objects, workloads = _without_speaker(objects), workloads[:1]
    for kind, name in workloads:
        workload = manifests.the(objects, kind, name)
        entry = manifests.container(workload, name)
        manifests.use_image(bundle, entry, f"metallb-{name}")
        entry["resources"] = _RESOURCES
        # A small cluster must not lose its addresses to an unimportant pod.
        priority = "system-cluster-critical" if name == "controller" else "system-node-critical"
        manifests.pod_spec(workload)["priorityClassName"] = priority
        # Ready is told by the probe, not by the clock.
        entry["readinessProbe"] = {**entry["readinessProbe"], "initialDelaySeconds": 0, "periodSeconds": 2}
    controller = manifests.pod_spec(manifests.the(objects, "Deployment", "controller"))
    controller["tolerations"] = [
        {"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"}
    ]
    if on_servers and speaker != "cni":
        arguments = manifests.container(manifests.the(objects, "DaemonSet", "speaker"), "speaker")
        arguments["args"] = [*(arguments.get("args") or []), "--ignore-exclude-lb"]
    if speaker == "frr":
        _pin_frr(manifests.the(objects, "DaemonSet", "speaker"))
    # The controller makes it otherwise, speakers or not.
    found: Object = {
        "name": SET,
        "generated_secrets": [{"name": "memberlist", "namespace": NAMESPACE, "key": "secretkey", "length": 96}],
    }
    if speaker == "cni":
        return {
            **found,
            "definitions": [*objects, *given_pools(balancer), *calico_bgp.definitions(balancer, pod_networks)],
            "given_secrets": calico_bgp.password_secrets(balancer),
            "wait_for": [*calico_bgp.wait_for(), *_webhook()],
        }
    return {
        **found,
        "definitions": objects + custom_resources(balancer),
        "given_secrets": password_secrets(balancer),
        "wait_for": _webhook(),
    }


def _refuse_unknown(variable: str, value: str, known: t.Sequence[str]) -> None:
    if value not in known:
        raise DefinitionError(f"{variable} = {value!r}: MetalLB has {', '.join(known)} here. Choose one of these.")


def _without_speaker(objects: t.Sequence[Object]) -> list[Object]:
    """The manifest without the speakers, and without the leave that only they had."""
    manifests.the(objects, "DaemonSet", "speaker")
    bindings = [obj for obj in objects if obj.get("kind") in ("RoleBinding", "ClusterRoleBinding")]
    theirs = [one for one in bindings if {subject["name"] for subject in one.get("subjects") or []} == {"speaker"}]
    needed = {(one["roleRef"]["kind"], one["roleRef"]["name"]) for one in bindings if one not in theirs}
    gone = [("DaemonSet", "speaker"), ("ServiceAccount", "speaker")]
    gone += [(one["kind"], one["metadata"]["name"]) for one in theirs]
    roles = [(one["roleRef"]["kind"], one["roleRef"]["name"]) for one in theirs]
    gone += [role for role in roles if role not in needed]
    return [obj for obj in objects if (obj.get("kind"), obj["metadata"]["name"]) not in gone]


def _pin_frr(workload: Object) -> None:
    spec = manifests.pod_spec(workload)
    frr = [one for one in (*spec["initContainers"], *spec["containers"]) if one.get("image") == _FRR_TAG]
    if not frr:
        raise DefinitionError(f"Upstream's manifest does not use {_FRR_TAG}. Its version does not fit this collection.")
    for one in frr:
        one["image"] = FRR_IMAGE
    manifests.container(workload, "frr")["resources"] = _RESOURCES


def _webhook() -> list[Object]:
    """Pools are taken only when MetalLB's webhook answers."""
    return [
        {
            "api_version": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "name": _WEBHOOKS,
        },
        {
            "api_version": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "namespace": NAMESPACE,
            "labels": f"kubernetes.io/service-name={_WEBHOOK_SERVICE}",
        },
    ]


__all__ = ("FRR_IMAGE", "IMAGES", "MANIFEST", "MANIFEST_FRR", "NAMESPACE", "SET", "metallb_set")
