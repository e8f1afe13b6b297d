# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""The plan in words: which machine gets which role, what it has now and what it would get."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.manifest import Manifest
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import upstream
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layout import LAYOUTS

Plan = t.Mapping[str, t.Any]
Probe = t.Mapping[str, t.Any]

_HEAD = ("order", "machine", "role", "node", "address", "system", "now", "would be")


def describe(plan: Plan, probes: t.Mapping[str, Probe], manifest: Manifest | None) -> str:
    """A text for people, with a table of the machines."""
    order = {machine["name"]: str(position) for position, machine in enumerate(plan["machines"], 1)}
    rows = [_HEAD]
    for machine in plan["machines"]:
        probe = probes.get(machine["name"])
        rows.append(
            (
                order[machine["name"]],
                machine["name"],
                machine["role"],
                machine["node_name"],
                machine["address"],
                _system(probe),
                _now(probe),
                _wanted(plan, probe, manifest),
            )
        )
    return "\n".join([*_cluster(plan, manifest), "", *_table(rows)])


def _cluster(plan: Plan, manifest: Manifest | None) -> list[str]:
    engine, api, networks, balancer = plan["engine"], plan["api"], plan["networks"], plan["load_balancer"]
    cni = plan["cni"]
    return [
        f"cluster        {plan['name']}: {len(plan['servers'])} server(s), {len(plan['agents'])} agent(s)",
        f"engine         {engine['name']} {engine['version']}",
        *_sources(plan, manifest),
        f"API            {api['name']}:{api['port']} at {api['address']}",
        f"kubeconfig     {api['kubeconfig']} on {api['host']}",
        f"pod network    {', '.join(networks['pod'])} by {cni['provider']}"
        + (f" ({cni['backend']})" if cni.get("backend") else "")
        + (", instead of kube-proxy too" if cni.get("service_proxy") else ""),
        *([f"{'':<15}chart {cni['chart']}"] if cni.get("chart") else []),
        f"services       {', '.join(networks['service'])}, DNS {networks['dns_address']} for {networks['dns_domain']}",
        f"load balancer  {balancer['provider']}" + _pools(balancer),
        *_peers(balancer["bgp"]),
        f"storage        {_storage(plan)}",
    ]


def _pools(balancer: Plan) -> str:
    if balancer["provider"] not in ("metallb", "openelb"):
        return ""
    pools = [
        f"{pool['name']} ({', '.join(pool['addresses'])}) by {' and '.join(pool['announce'])}"
        for pool in balancer["pools"]
    ]
    speaker = f" ({balancer['speaker']})" if balancer["provider"] == "metallb" else ""
    return f"{speaker}: {'; '.join(pools) or 'no pools'}"


def _peers(bgp: Plan) -> list[str]:
    """The routers that are spoken to."""
    told = []
    for peer in bgp["peers"]:
        asn = f"AS {peer['asn']}" if peer["asn"] is not None else str(peer["dynamic_asn"])
        told.append(f"{peer['name']} ({peer['address']}, {asn}{', with a password' if peer['password'] else ''})")
    pods = ", pods too" if bgp["pods"] else ""
    return [f"{'BGP':<15}AS {bgp['asn']} to {'; '.join(told)}{pods}"] if told else []


def _sources(plan: Plan, manifest: Manifest | None) -> list[str]:
    """Where programs, images and layers come from."""
    engine, found = plan["engine"], []
    if engine["source"] != "bundle":
        found.append(f"{engine['source']:<15}{engine['release_dir']}")
    if engine["needs_bundle"]:
        bundle = f"{len(manifest.files)} files for {manifest.arch}" if manifest else "not there yet"
        found.append(f"{'bundle':<15}{engine['bundle_dir']} ({bundle})")
    if plan["load_balancer"]["provider"] == "openelb":
        found.append(f"{'OpenELB':<15}{plan['load_balancer']['openelb']['manifest']}")
    upstreams = [f"{one.component} {one.version}" for one in upstream.needed(plan)]
    if upstreams:
        found.append(f"{'layers':<15}{', '.join(upstreams)} in {plan['layers']['directory']}")
    return found


def _storage(plan: Plan) -> str:
    local_path = plan["storage"]["local_path"]
    if not local_path["enabled"]:
        return "k3s's own, unless it is disabled" if plan["engine"]["name"] == "k3s" else "none"
    default = ", default class" if local_path["default_class"] else ""
    return f"{local_path['class_name']} in {local_path['path']}{default}"


def _system(probe: Probe | None) -> str:
    if probe is None:
        return "not asked"
    system = probe["distribution"]
    return f"{system['id']} {system['version']} {probe['architecture']}, {probe['cpus']} CPU, {probe['memory_mib']} MiB"


def _now(probe: Probe | None) -> str:
    if probe is None:
        return "not asked"
    installed = probe["installed"]
    if not installed["role"]:
        return "prepared, not joined" if installed["record"] else "bare"
    version = installed["versions"].get("kubelet", "")
    return f"{installed['role']} {version}".strip()


def _wanted(plan: Plan, probe: Probe | None, manifest: Manifest | None) -> str:
    """What the next run of site.yml would do to a machine's programs and membership."""
    if probe is None:
        return "not asked"
    installed, steps = probe["installed"], []
    programs = LAYOUTS[plan["engine"]["name"]].programs
    if manifest is not None:
        wanted = {place: entry.sha256 for entry in manifest.files if (place := programs.get(entry.name)) is not None}
        differing = [place for place, sha256 in wanted.items() if installed["files"].get(place) != sha256]
        if differing:
            steps.append(f"{len(differing)} of {len(wanted)} programs installed")
    elif not installed["record"]:
        steps.append("programs installed")
    if not installed["role"]:
        steps.append("joined")
    return ", ".join(steps) or "as it is"


def _table(rows: t.Sequence[t.Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in rows]


__all__ = ("describe",)
