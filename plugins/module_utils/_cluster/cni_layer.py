# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Set ``cni`` of every provider."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import (
    calico,
    charts,
    cilium,
    flannel,
    kube_router,
    manifests,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import Object
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_flags import release
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_layout import K3S
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layout import KUBEADM
from ansible_collections.kateskit.klubster.plugins.module_utils._model.cni import REMEDY

Plan = t.Mapping[str, t.Any]
#: from the plan and values to the objects of the plan's chart
Render = t.Callable[[Plan, t.Mapping[str, t.Any]], list[Object]]
_NODES: t.Final = {"api_version": "v1", "kind": "Node"}
_DNS: t.Final = {"api_version": "apps/v1", "kind": "Deployment", "namespace": "kube-system", "name": "coredns"}


def layer_set(bundle: manifests.Bundle, plan: Plan, render: Render = charts.rendered) -> Object:
    """The set of the plan's provider.

    :raises KlubsterError: a chart or manifest cannot be used.
    """
    return _SETS[plan["cni"].get("layer", plan["cni"]["provider"])](bundle, plan, render)


def directories(plan: Plan) -> tuple[str, str]:
    """Where the engine looks for CNI programs and their configuration, with a provider that is not within it."""
    engine = plan["engine"]
    if engine["name"] == "k3s":
        return K3S.cni_directories(release(engine["version"]), own_cni=True)
    return KUBEADM.cni_programs, KUBEADM.cni_config


def _none(_bundle: manifests.Bundle, _plan: Plan, _render: Render) -> Object:
    return flannel.no_cni_set()


def _flannel(bundle: manifests.Bundle, plan: Plan, _render: Render) -> Object:
    cni = plan["cni"]
    return flannel.flannel_set(bundle, backend=cni["backend"], networks=plan["networks"]["pod"], mtu=cni.get("mtu"))


def _cilium(_bundle: manifests.Bundle, plan: Plan, render: Render) -> Object:
    ours = cilium.values(plan, directories(plan))
    return _set(plan, render(plan, manifests.merged(ours, plan["cni"]["values"])))


def _kube_router(_bundle: manifests.Bundle, plan: Plan, render: Render) -> Object:
    ours = kube_router.values(plan, directories(plan))
    return _set(plan, render(plan, manifests.merged(ours, plan["cni"]["values"])))


def _calico(_bundle: manifests.Bundle, plan: Plan, render: Render) -> Object:
    """The user's values reach the chart, but for those of the Installation, which reach ours."""
    given = dict(plan["cni"]["values"])
    installation = calico.installation(plan)
    installation["spec"] = manifests.merged(installation["spec"], given.pop("installation", None) or {})
    objects = [*render(plan, manifests.merged(calico.values(), given)), *_files(plan)]
    if not any(obj.get("kind") == "Namespace" and obj["metadata"]["name"] == calico.NAMESPACE for obj in objects):
        objects.append(calico.namespace())
    agents = {"api_version": "apps/v1", "kind": "DaemonSet", "namespace": "calico-system", "name": "calico-node"}
    return _set(plan, [*objects, installation], [agents])


def _custom(_bundle: manifests.Bundle, plan: Plan, render: Render) -> Object:
    """What the user's objects become is the user's business: only nodes are waited for."""
    objects = [*_files(plan), *render(plan, plan["cni"]["values"])]
    return {**_set(plan, objects), "wait_for": [_NODES], "wait_own": False}


def _files(plan: Plan) -> list[Object]:
    return [obj for name in plan["cni"]["manifests"] for obj in charts.objects_of(name)]


def _set(plan: Plan, objects: list[Object], wait_for: t.Sequence[Object] = ()) -> Object:
    # Who leaves k3s's DNS out brings another, and we do not know its name.
    without_dns = any("coredns" in str(machine["k3s_config"].get("disable", "")) for machine in plan["machines"])
    return {
        "name": flannel.SET,
        "definitions": objects,
        "fixed": dict(plan["cni"]["node"]["kept"]),
        "fixed_remedy": REMEDY,
        "wait_for": [*wait_for, _NODES, *([] if without_dns else [_DNS])],
    }


_SETS: dict[str, t.Callable[[manifests.Bundle, Plan, Render], Object]] = {
    "none": _none,
    "flannel": _flannel,
    "calico": _calico,
    "kube_router": _kube_router,
    "cilium": _cilium,
    "custom": _custom,
}

__all__ = ("directories", "layer_set")
