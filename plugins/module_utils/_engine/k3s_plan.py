# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""From the cluster's plan to the configuration files of every machine under k3s, and what is wrong with them."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible_collections.kateskit.klubster.plugins.module_utils._engine import k3s_cis, k3s_config, k3s_match
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.containerd import merged
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_flags import release
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import Problem

Plan = t.Mapping[str, t.Any]


def problems(plan: Plan) -> list[Problem]:
    """Everything that k3s would refuse, or silently ignore, of all machines' keys."""
    cluster = _cluster(plan)
    found = [
        problem
        for machine in plan["machines"]
        for problem in k3s_config.validate(
            machine["k3s_config"], _on(machine, cluster), k3s_config.machine_of(plan, machine["name"])
        )
    ]
    if found:
        return found
    servers = {name: _effective(plan, cluster, name) for name in plan["servers"]}
    unlike = k3s_match.compare(servers, release(cluster.version))
    return [mismatch.problem(k3s_config.VARIABLE) for mismatch in unlike]


def files(plan: Plan) -> dict[str, dict[str, str]]:
    """By machine: path and content. The keys have passed ``problems``."""
    cluster = _cluster(plan)
    return {
        machine["name"]: {
            **k3s_config.files(_on(machine, cluster), _effective(plan, cluster, machine["name"])),
            **(k3s_cis.files(machine["role"], cluster.exempt) if cluster.profile == "cis" else {}),
        }
        for machine in plan["machines"]
    }


def sysctls(plan: Plan) -> dict[str, str]:
    """Kernel settings that every machine needs before k3s starts there for the first time."""
    wanted = k3s_cis.SYSCTLS if plan["engine"]["profile"] == "cis" else {}
    return {name: str(value) for name, value in wanted.items()}


def _on(machine: t.Mapping[str, t.Any], cluster: k3s_config.K3sCluster) -> k3s_config.K3sCluster:
    """The cluster with what this machine's kubelet is told besides."""
    own = machine.get("kubelet_config") or {}
    return replace(cluster, kubelet_config=merged(cluster.kubelet_config, own)) if own else cluster


def _effective(plan: Plan, cluster: k3s_config.K3sCluster, name: str) -> k3s_config.Config:
    user = next(machine["k3s_config"] for machine in plan["machines"] if machine["name"] == name)
    return k3s_config.effective(cluster, k3s_config.machine_of(plan, name), user)


def _cluster(plan: Plan) -> k3s_config.K3sCluster:
    engine = plan["engine"]
    return k3s_config.cluster_of(
        plan,
        datastore=engine["datastore"],
        profile="cis" if engine["profile"] == "cis" else "",
        secrets_encryption=engine["secrets_encryption"],
        agent_token=True,
    )


__all__ = ("files", "problems", "sysctls")
