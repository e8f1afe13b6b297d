# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""The verbs of ``kubeadm_node``: from a module's options to a change of the machine and back to plain data."""

from __future__ import annotations

import typing as t
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner, run
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import units
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.kubeadm import Kubeadm
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.kubeadm_config import (
    ClusterSettings,
    Invitation,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layout import KUBEADM
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.node_settings import node_of
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.service_set import Settled, settle
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import EngineError
from ansible_collections.kateskit.klubster.plugins.module_utils._node import services
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import STATE_DIRECTORY, Record, locked

VERBS = ("present", "begun", "joined", "invited", "labelled", "proxied", "started", "upgraded")
#: options of every module that is about a machine of this engine
ARGUMENTS: dict[str, t.Any] = {
    "cluster": {"type": "str", "required": True},
    "version": {"type": "str", "required": True},
    "node": {"type": "dict", "required": True},
    "api": {"type": "dict", "required": True},
    "networks": {"type": "dict", "required": True},
    "bundle_dir": {"type": "path"},
    "images": {"type": "dict", "default": {}},
    "kubelet_config": {"type": "dict", "default": {}},
    "kube_proxy_config": {"type": "dict", "default": {}},
    "cni": {"type": "dict", "default": {}},
    "open_servers": {"type": "bool", "default": False},
}


@dataclass
class Outcome:
    """What the module returns; None is left out."""

    changed: bool = False
    diff: list[dict[str, t.Any]] = field(default_factory=list)
    service: str | None = None
    node: dict[str, t.Any] | None = None
    machine: dict[str, t.Any] | None = None
    kube_proxy_wanted: str | None = None
    invitation: dict[str, t.Any] | None = None


def machine_of(params: t.Mapping[str, t.Any], runner: Runner = run, directory: Path = STATE_DIRECTORY) -> Kubeadm:
    """The machine that the options describe.

    :raises EngineError: an option lacks something.
    """
    try:
        return Kubeadm(
            KUBEADM,
            _cluster(params),
            node_of(params["node"]),
            runner,
            directory,
            timeout=float(params.get("timeout") or 300),
        )
    except KeyError as exc:
        raise EngineError(
            f"The option {exc} is missing. Give machines, api and networks as the plan has them."
        ) from exc


def perform(params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    """Do what ``state`` says."""
    machine = machine_of(params)
    state = params["state"]
    if state == "present":
        return _keep(machine, params, check=check)
    if state == "started":
        return _start(machine, check=check)
    if state == "upgraded":
        return _upgrade(machine, check=check)
    if state in {"begun", "joined"}:
        # In check mode nobody was invited, and nothing will be joined.
        invitation = Invitation(**params["invitation"]) if state == "joined" and not check else None
        return _enter(machine, invitation, begins=state == "begun", check=check)
    if check:
        return Outcome(changed=state != "invited")
    with locked(machine.state_directory):
        return _on_live_server(machine, params)


def _on_live_server(machine: Kubeadm, params: t.Mapping[str, t.Any]) -> Outcome:
    if params["state"] == "invited":
        invitation = machine.invite(servers=params["servers"], forget=params["forget"])
        return Outcome(changed=True, invitation=asdict(invitation))
    if params["state"] == "labelled":
        changed = [machine.reconcile(node_of(entry)) for entry in params["nodes"]]
        return Outcome(changed=any(changed))
    machine.configure_proxy()
    return Outcome(changed=True)


def inspect(machine: Kubeadm, params: t.Mapping[str, t.Any]) -> Outcome:
    """What the machine is."""
    return Outcome(node=asdict(machine.state()), machine=dict(params["node"]), kube_proxy_wanted=machine.proxy_wanted())


def _keep(machine: Kubeadm, params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    """kubelet's files and service, then what the machine is."""
    if not check:
        # A run that was cut short may still be at work here: kubeadm goes on when its controller is gone.
        with locked(machine.state_directory):
            Record.load(machine.state_directory).note_data(machine.layout.data, machine.layout.incidental)
    joined = machine.phase() == "complete"
    settled = settle_kubelet(machine, joined=joined, check=check)
    changed = settled.changed
    if joined and not check:
        if settled.step.action:
            machine.wait_kubelet()
        if machine.is_server:
            machine.wait_ready()
        if machine.is_forgotten():
            machine.run(["systemctl", "restart", machine.layout.node_unit])
            machine.wait_node()
            changed = True
    outcome = inspect(machine, params)
    outcome.changed, outcome.diff, outcome.service = changed, settled.as_result()["diff"], settled.step.action
    return outcome


def _start(machine: Kubeadm, *, check: bool) -> Outcome:
    """What of the node is stopped is started as it is, so that the cluster is whole before anything in it changes."""
    units_of = (machine.layout.runtime_unit, machine.layout.node_unit)
    stopped = [
        name
        for name, state in services.states(units_of, machine.run).items()
        if state.get("ActiveState") not in {"active", "reloading", "activating"}
    ]
    if check or not stopped:
        return Outcome(changed=bool(stopped))
    with locked(machine.state_directory):
        for name in stopped:
            machine.run(["systemctl", "reset-failed", name], check=False)
            machine.run(["systemctl", "start", name], timeout=120)
        if machine.is_server:
            machine.wait_ready()
    return Outcome(changed=True)


def _upgrade(machine: Kubeadm, *, check: bool) -> Outcome:
    """The control plane and kubelet's configuration in the wanted version; kubelet itself comes with ``present``."""
    if check:
        return Outcome(changed=machine.control_plane_differs())
    with locked(machine.state_directory):
        return Outcome(changed=machine.upgrade())


def _enter(machine: Kubeadm, invitation: Invitation | None, *, begins: bool, check: bool) -> Outcome:
    """Begin a cluster or join one, unless the machine is a node already."""
    what = "begins the cluster" if begins else "joins the cluster"
    diff = [{"before": "", "after": f"{machine.node.name} {what} {machine.cluster.name}\n"}]
    if check:
        changed = machine.phase() != "complete"
        return Outcome(changed=changed, diff=diff if changed else [])
    with locked(machine.state_directory):
        phase = machine.phase()
        if phase == "complete":
            return Outcome()
        if phase == "half":
            machine.clean()
        machine.run(["systemctl", "daemon-reload"])
        if invitation is None:
            machine.begin()
        else:
            machine.join(invitation)
        record = Record.load(machine.state_directory)
        step = services.plan([_service(machine, joined=True)], record, machine.run)[0]
        record.services[step.service.name] = step.digest
        record.save()
    return Outcome(changed=True, diff=diff)


def settle_kubelet(machine: Kubeadm, *, joined: bool, check: bool) -> Settled:
    """kubelet's files and service; in check mode only say what would be done."""
    return settle(
        "kubelet",
        units.kubelet_files(machine.layout, machine.cluster, machine.node),
        _service(machine, joined=joined),
        machine.run,
        check=check,
        directory=machine.state_directory,
    )


def _service(machine: Kubeadm, *, joined: bool) -> services.Service:
    return units.kubelet_service(
        machine.layout, units.kubelet_files(machine.layout, machine.cluster, machine.node), joined=joined
    )


def _cluster(params: t.Mapping[str, t.Any]) -> ClusterSettings:
    api, networks, images, cni = params["api"], params["networks"], params["images"], params.get("cni") or {}
    return ClusterSettings(
        name=params["cluster"],
        version=params["version"],
        api_name=api["name"],
        api_port=int(api["port"]),
        api_address=api["address"],
        pod_networks=tuple(networks["pod"]),
        service_networks=tuple(networks["service"]),
        dns_domain=networks["dns_domain"],
        dns_address=networks["dns_address"],
        image_repository=images["repository"],
        etcd_tag=images["etcd"],
        dns_tag=images["coredns"],
        runtime_socket=KUBEADM.runtime_socket,
        kubelet_config=dict(params.get("kubelet_config") or {}),
        kube_proxy_config=dict(params.get("kube_proxy_config") or {}),
        open_servers=bool(params.get("open_servers")),
        has_kube_proxy=not cni.get("service_proxy"),
        kept=dict(cni.get("kept") or {}),
    )


__all__ = ("ARGUMENTS", "VERBS", "Outcome", "inspect", "machine_of", "perform", "settle_kubelet")
