# Note that this plugin util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

"""What one look at a machine needs to be told, from the plan: the options that the roles would give their modules."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.filter.k3s_fetched import k3s_fetched
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_release import (
    ARCHITECTURES,
    K3sVersion,
    release_files,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layout import BUNDLED, images_for
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.plugin_utils import _release
from ansible_collections.kateskit.klubster.plugins.plugin_utils._manifest import (
    archives,
    contents,
    kubeadm_images,
    own_archives,
    programs,
    with_sums,
)

Plan = t.Mapping[str, t.Any]
Options = dict[str, t.Any]
#: where a machine that fetches releases itself keeps them
FETCHED = "/var/lib/klubster/releases"
_UNKNOWN: Options = {"unseen": "It can only look for itself."}


def layers_of(plan: Plan, name: str, machine: t.Mapping[str, t.Any]) -> dict[str, Options]:
    """By layer, without what is secret.

    :param name: of the machine in the inventory.
    :param machine: what the role ``machine`` wants.
    """
    this = next(entry for entry in plan["machines"] if entry["name"] == name)
    layers: dict[str, Options] = {"machine": {**machine, "hosts": plan["hosts"]}}
    provider = plan["api"]["provider"]
    if this["role"] == "server":
        layers[provider] = _REQUESTS[provider](plan, this) if provider in _REQUESTS else _UNKNOWN
    engine = plan["engine"]["name"]
    try:
        layers[engine] = _REQUESTS[engine](plan, this) if engine in _REQUESTS else _UNKNOWN
    except KlubsterError as exc:
        layers[engine] = {"unseen": str(exc)}
    return layers


def _keepalived(plan: Plan, this: Options) -> Options:
    api = plan["api"]
    servers = [entry["address"] for entry in plan["machines"] if entry["role"] == "server"]
    return {
        "address": api["address"],
        "port": api["port"],
        "vrrp_id": api["vrrp_id"],
        "own": this["address"],
        "servers": servers,
    }


def _kube_vip(plan: Plan, this: Options) -> Options:
    api = plan["api"]
    return {"address": api["address"], "port": api["port"], "own": this["address"], "image": api["image"]}


def _kubeadm(plan: Plan, this: Options) -> Options:
    engine = plan["engine"]
    layout, own = BUNDLED["kubeadm"], plan.get("archives") or []
    manifest = contents(engine["bundle_dir"], own)
    return {
        "cluster": plan["name"],
        "version": engine["version"],
        "node": this,
        "api": plan["api"],
        "networks": plan["networks"],
        "images": kubeadm_images(manifest),
        "kubelet_config": engine["kubelet_config"],
        "kube_proxy_config": engine["kube_proxy_config"],
        "cni": plan["cni"]["node"],
        "open_servers": plan["open_servers"],
        "install_set": "engine",
        "programs": with_sums(manifest, programs(layout, manifest, plugins=plan["cni"]["node"]["plugins"])),
        "archives": archives(manifest, images_for(layout, this["role"], plan["images"])) + own_archives(own),
        "sandbox_image": manifest.image("pause").reference,
        "cgroup_driver": engine["kubelet_config"].get("cgroupDriver", "systemd"),
        "lower_oom_score": engine["lower_oom_score"],
    }


def _k3s(plan: Plan, this: Options) -> Options:
    """Programs are given for each architecture: only the machine knows its own."""
    engine, images, own = plan["engine"], plan["images"], plan.get("archives") or []
    manifest = contents(engine["bundle_dir"], own, bundle=bool(images))
    return {
        "cluster": plan["name"],
        "node": this,
        "api": plan["api"],
        "files": plan["files"].get(this["name"], {}),
        "datastore": engine["datastore"],
        "profile": engine["profile"],
        "cni": plan["cni"]["node"],
        "ca_hash": plan["ca_hash"],
        "open_servers": plan["open_servers"],
        "programs": {arch: files for arch in ARCHITECTURES if (files := _release_for(engine, arch))},
        "archives": with_sums(manifest, _release.archive_places(manifest, images, own)),
        "nodes": plan["machines"],
    }


def _release_for(engine: Options, arch: str) -> list[Options]:
    """The files of the release for an architecture; none if it is not there, or not all of it."""
    names, folder = ARCHITECTURES[arch], Path(engine["release_dir"]).expanduser()
    if engine["source"] == "release":
        form = engine["release_images"]
        wanted = release_files(K3sVersion.parse(engine["version"]), names, images=None if form == "none" else form)
        if engine["download"] == "nodes":
            # Their lists of sums are on the machine, as the role engine keeps them.
            return list(k3s_fetched(wanted, f"{FETCHED}/v{engine['version']}"))
        if not all((folder / entry["name"]).is_file() for entry in wanted):
            return []
    try:
        release = _release.load(folder, arch)
    except KlubsterError:
        return []
    return with_sums(release, _release.places(release))


_REQUESTS: dict[str, t.Callable[[Plan, Options], Options]] = {
    # It tells what another provider has left.
    "none": lambda _plan, _this: {},
    "keepalived": _keepalived,
    "kube_vip": _kube_vip,
    "kubeadm": _kubeadm,
    "k3s": _k3s,
}

__all__ = ("layers_of",)
