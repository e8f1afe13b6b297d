# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""All layers above the engine as sets, so that one call can apply them together and wait for them together."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import (
    cni_layer,
    local_path,
    metallb,
    openelb,
    policies,
    service_names,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.manifests import Bundle
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import Object

Plan = t.Mapping[str, t.Any]


def cni_sets(bundle: Bundle, plan: Plan) -> list[Object]:
    engine = plan["engine"]
    further = [policies.policies_set(engine["profile"])] if engine["name"] == "k3s" else []
    return [cni_layer.layer_set(bundle, plan), *further]


def storage_sets(bundle: Bundle, plan: Plan) -> list[Object]:
    options = plan["storage"]["local_path"]
    if not options["enabled"]:
        return [{"name": local_path.SET, "state": "absent"}]
    return [
        local_path.local_path_set(
            bundle,
            path=options["path"],
            class_name=options["class_name"],
            default_class=options["default_class"],
        )
    ]


def load_balancer_sets(bundle: Bundle, plan: Plan) -> list[Object]:
    """That of the provider; the others' are gone before it comes. k3s's own is no layer of ours."""
    provider = plan["load_balancer"]["provider"]
    makers = {"metallb": (metallb.SET, _metallb), "openelb": (openelb.SET, _openelb)}
    absent: list[Object] = [
        {"name": name, "state": "absent"} for other, (name, _make) in makers.items() if other != provider
    ]
    return [*absent, makers[provider][1](bundle, plan)] if provider in makers else absent


def _metallb(bundle: Bundle, plan: Plan) -> Object:
    load_balancer = plan["load_balancer"]
    return metallb.metallb_set(
        bundle,
        pools=load_balancer["pools"],
        mode=load_balancer["mode"],
        speaker=load_balancer["speaker"],
        l2_advertisements=load_balancer["l2_advertisements"],
        bgp=load_balancer["bgp"],
        # Else nobody would announce anything.
        on_servers=plan["open_servers"],
        pod_networks=plan["networks"]["pod"],
    )


def _openelb(_bundle: Bundle, plan: Plan) -> Object:
    load_balancer = plan["load_balancer"]
    return openelb.openelb_set(
        load_balancer["openelb"],
        pools=load_balancer["pools"],
        mode=load_balancer["mode"],
        bgp=load_balancer["bgp"],
    )


def names_sets(bundle: Bundle, plan: Plan) -> list[Object]:
    names = plan["names"]
    if not names["zone"]:
        return [{"name": service_names.SET, "state": "absent"}]
    balancer = plan["load_balancer"]["provider"]
    return [service_names.names_set(bundle, **names, dns_domain=plan["networks"]["dns_domain"], balancer=balancer)]


#: tag of the layer and its sets, in the order of applying
LAYERS: dict[str, t.Callable[[Bundle, Plan], list[Object]]] = {
    "cni": cni_sets,
    "storage": storage_sets,
    "load_balancer": load_balancer_sets,
    "names": names_sets,
}


def layer_sets(bundle: Bundle, plan: Plan, run: t.Collection[str], skip: t.Collection[str]) -> list[Object]:
    """The sets of the layers that a run with these tags is about; a run without tags is about all."""
    everything = not run or not {"all", "tagged"}.isdisjoint(run)
    chosen = [name for name in LAYERS if (everything or name in run) and name not in skip]
    return [one for name in chosen for one in LAYERS[name](bundle, plan)]


__all__ = ("LAYERS", "cni_sets", "layer_sets", "load_balancer_sets", "names_sets", "storage_sets")
