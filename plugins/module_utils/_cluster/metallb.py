# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Set ``load-balancer``: MetalLB in its native mode (without FRR), and the pools with their announcements."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import manifests
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import DefinitionError, Object

SET = "load-balancer"
IMAGES = ("metallb-controller", "metallb-speaker")
MANIFEST = "metallb-native.yaml"
NAMESPACE = "metallb-system"
_API = "metallb.io/v1beta1"
_RESOURCES = {
    "controller": {"requests": {"cpu": "25m", "memory": "64Mi"}},
    "speaker": {"requests": {"cpu": "25m", "memory": "64Mi"}},
}


def metallb_set(bundle: manifests.Bundle, *, pools: t.Sequence[t.Mapping[str, t.Any]], mode: str = "l2") -> Object:
    """The set with MetalLB, one IPAddressPool per pool, and what announces it in this mode.

    MetalLB's speakers find each other with the help of a shared secret. Its controller would make one, but only after
    the speakers' pods have begun to wait for it; made along with the rest, it costs no waiting.
    """
    if mode not in _ANNOUNCEMENTS:
        raise DefinitionError(
            f"load_balancer_mode = {mode!r}: MetalLB announces addresses here by {', '.join(_ANNOUNCEMENTS)}. "
            "Choose one of these."
        )
    objects = manifests.load(bundle, MANIFEST)
    for kind, name in (("Deployment", "controller"), ("DaemonSet", "speaker")):
        workload = manifests.the(objects, kind, name)
        entry = manifests.container(workload, name)
        manifests.use_image(bundle, entry, f"metallb-{name}")
        entry["resources"] = _RESOURCES[name]
        # A small cluster must not lose its addresses to an unimportant pod.
        priority = "system-cluster-critical" if name == "controller" else "system-node-critical"
        manifests.pod_spec(workload)["priorityClassName"] = priority
        # Ready is told by the probe, not by the clock.
        entry["readinessProbe"] = {**entry["readinessProbe"], "initialDelaySeconds": 0, "periodSeconds": 2}
    controller = manifests.pod_spec(manifests.the(objects, "Deployment", "controller"))
    controller["tolerations"] = [
        {"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"}
    ]
    for pool in pools:
        objects += [_pool(pool), _ANNOUNCEMENTS[mode](pool)]
    return {
        "name": SET,
        "definitions": objects,
        "generated_secrets": [{"name": "memberlist", "namespace": NAMESPACE, "key": "secretkey", "length": 96}],
    }


def _pool(pool: t.Mapping[str, t.Any]) -> Object:
    return _custom(
        "IPAddressPool",
        str(pool["name"]),
        {
            "addresses": [str(address) for address in pool["addresses"]],
            "autoAssign": bool(pool.get("auto_assign", True)),
            "avoidBuggyIPs": bool(pool.get("avoid_buggy_ips", False)),
        },
    )


def _l2(pool: t.Mapping[str, t.Any]) -> Object:
    name = str(pool["name"])
    interfaces = [str(interface) for interface in pool.get("interfaces") or []]
    return _custom(
        "L2Advertisement", name, {"ipAddressPools": [name], **({"interfaces": interfaces} if interfaces else {})}
    )


def _custom(kind: str, name: str, spec: Object) -> Object:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": _API, "kind": kind, "metadata": metadata, "spec": spec}


_ANNOUNCEMENTS: dict[str, t.Callable[[t.Mapping[str, t.Any]], Object]] = {"l2": _l2}

__all__ = ("IMAGES", "MANIFEST", "NAMESPACE", "SET", "metallb_set")
