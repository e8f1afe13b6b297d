# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""The verbs of ``k3s_node``: from a module's options to a change of the machine and back to plain data."""

from __future__ import annotations

import typing as t
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner, run
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import (
    k3s_commands,
    k3s_environment,
    k3s_files,
    k3s_registries,
    k3s_units,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s import K3s, K3sInvitation, K3sSettings
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_hardening import Hardening
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_layout import K3S
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.node_settings import node_of
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.service_set import Settled, settle
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import EngineError
from ansible_collections.kateskit.klubster.plugins.module_utils._node import managed_files, selinux, services
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import STATE_DIRECTORY, Record, locked

VERBS = ("present", "begun", "joined", "departed", "arrived", "invited", "labelled", "registered", "snapshotted")
INSTALL_SETS = ("engine", "images")
_SELINUX = f"{K3S.drop_ins}/15-klubster-selinux.yaml"
#: options of every module that is about a machine of this engine
ARGUMENTS: dict[str, t.Any] = {
    "cluster": {"type": "str", "required": True},
    "node": {"type": "dict", "required": True},
    "api": {"type": "dict", "required": True},
    "files": {"type": "dict", "default": {}},
    "registries": {"type": "dict", "default": {}, "no_log": True},
    # Of it only the datastore and further variables are secrets: names of machines must stay readable in messages.
    "environment": {
        "type": "dict",
        "default": {},
        "options": {
            "proxy": {"type": "dict", "default": {}},
            "nodes": {"type": "list", "elements": "str", "default": []},
            "datastore": {"type": "str", "default": "", "no_log": True},
            "further": {"type": "dict", "default": {}, "no_log": True},
        },
    },
    "datastore": {"type": "str", "default": "etcd", "choices": ["etcd", "sqlite", "external"]},
    "cni": {"type": "dict", "default": {}},
    "open_servers": {"type": "bool", "default": False},
    "profile": {"type": "str", "default": "none", "choices": ["none", "cis"]},
}


@dataclass
class Outcome:
    """What the module returns; None is left out."""

    changed: bool = False
    diff: list[dict[str, t.Any]] = field(default_factory=list)
    service: str | None = None
    node: dict[str, t.Any] | None = None
    machine: dict[str, t.Any] | None = None
    invitation: dict[str, t.Any] | None = None


def machine_of(params: t.Mapping[str, t.Any], runner: Runner = run, directory: Path = STATE_DIRECTORY) -> K3s:
    """The machine that the options describe.

    :raises EngineError: an option lacks something.
    """
    try:
        api = params["api"]
        settings = K3sSettings(
            name=params["cluster"],
            api_name=api["name"],
            api_port=int(api["port"]),
            api_address=api["address"],
            open_servers=bool(params.get("open_servers")),
            embedded=params.get("datastore", "etcd") == "etcd",
            address_by_pod=api.get("provider") == "kube_vip",
            kept=dict((params.get("cni") or {}).get("kept") or {}),
        )
        return K3s(
            K3S, settings, node_of(params["node"]), runner, directory, timeout=float(params.get("timeout") or 300)
        )
    except KeyError as exc:
        raise EngineError(f"The option {exc} is missing. Give node and api as the plan has them.") from exc


def wanted_files(machine: K3s, params: t.Mapping[str, t.Any]) -> list[managed_files.WantedFile]:
    """What the service reads, besides its program and its tokens."""
    role, layout = machine.node.role, machine.layout
    files = [managed_files.WantedFile(path, content, mode=0o600) for path, content in sorted(params["files"].items())]
    files.append(managed_files.WantedFile(f"/etc/systemd/system/{machine.unit}", k3s_units.unit(layout, role)))
    if not any("\nselinux:" in f"\n{text}" for text in params["files"].values()) and (
        selinux.mode(machine.root) != "disabled" and selinux.has_k3s_policy(machine.root)
    ):
        files.append(managed_files.WantedFile(_SELINUX, "selinux: true\n", mode=0o600))
    secret = []
    if params["registries"]:
        secret.append((layout.registries, k3s_registries.render(params["registries"])))
    environment = k3s_environment.environment_of(params["environment"])
    if environment != k3s_environment.Environment():
        secret.append((layout.environment(role), k3s_environment.render(environment)))
    return [*files, *(managed_files.WantedFile(path, text, mode=0o600, secret=True) for path, text in secret)]


def hardening_of(machine: K3s, params: t.Mapping[str, t.Any]) -> Hardening:
    return Hardening(machine, params.get("profile") == "cis")


def service_of(machine: K3s, files: t.Sequence[managed_files.WantedFile]) -> services.Service:
    """Started by who lets the machine join; after that, whenever what it reads has changed."""
    reads = (machine.layout.program, *(file.path for file in files))
    return services.Service(machine.unit, reads=reads, start=machine.phase() == "complete")


def compare(machine: K3s, params: t.Mapping[str, t.Any]) -> Settled:
    """Files and service against what is wanted; changes nothing."""
    files = wanted_files(machine, params)
    service = service_of(machine, files)
    found = settle("k3s", files, service, machine.run, check=True, directory=machine.state_directory)
    if service.start:
        return found
    # Who lets the machine join enables it.
    return replace(found, step=replace(found.step, enable=False, action=""))


def perform(params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    """Do what ``state`` says."""
    machine, state = machine_of(params), params["state"]
    if state == "present":
        return _keep(machine, params, check=check)
    if state in {"begun", "joined", "departed", "arrived"}:
        return _enter(machine, params, check=check)
    if check:
        return Outcome(changed=state != "invited")
    with locked(machine.state_directory):
        return _on_node(machine, params)


def _on_node(machine: K3s, params: t.Mapping[str, t.Any]) -> Outcome:
    state = params["state"]
    if state == "invited":
        return Outcome(changed=True, invitation=asdict(machine.invite(servers=params["servers"])))
    if state == "labelled":
        changed = [machine.reconcile(node_of(entry)) for entry in params["nodes"]]
        return Outcome(changed=any(changed))
    if state == "registered":
        machine.start("restart")
    else:
        machine.snapshot(params["snapshot"])
    return Outcome(changed=True)


def inspect(
    machine: K3s, params: t.Mapping[str, t.Any], versions: tuple[str, ...] = (), *, reconfigured: bool = False
) -> Outcome:
    """What the machine is.

    :param reconfigured: whether k3s would be started with another configuration, which the cluster may not bear.
    """
    machines = [node_of(entry) for entry in params.get("nodes") or []]
    lives = machine.is_server and machine.phase() == "complete"
    config = k3s_files.read(params["files"]) if reconfigured and lives else None
    state = machine.state(machines, versions, config, params.get("ca_hash") or "")
    return Outcome(node=asdict(state), machine=dict(params["node"]))


def commands_of(machine: K3s, record: Record) -> tuple[list[managed_files.WantedFile], list[managed_files.Change]]:
    """A set of their own: nothing that runs reads them."""
    k3s_commands.forget(machine.layout, record, machine.root)
    files = k3s_commands.wanted(machine.layout, record, machine.root)
    return files, managed_files.plan(files, k3s_commands.SET, record)


def _keep(machine: K3s, params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    """The service's files, then what the machine is."""
    phase = machine.phase()
    if not check:
        with locked(machine.state_directory):
            record = Record.load(machine.state_directory)
            record.note_data(machine.layout.data, machine.layout.incidental)
    found, hardening = compare(machine, params), hardening_of(machine, params)
    action, loose = found.step.action, hardening.lacking()
    commands, called = commands_of(machine, Record.load(machine.state_directory))
    if not check:
        with locked(machine.state_directory):
            record = Record.load(machine.state_directory)
            hardening.prepare(record)
            managed_files.apply(wanted_files(machine, params), found.changes, "k3s", record)
            k3s_commands.forget(machine.layout, record, machine.root)
            managed_files.apply(commands, called, k3s_commands.SET, record)
            if found.changes:
                machine.run(["systemctl", "daemon-reload"])
            if phase == "complete":
                _settle_service(machine, found, record)
                hardening.tighten()
    outcome = inspect(machine, params)
    outcome.changed, outcome.service = found.changed or bool(loose or called), action
    outcome.diff = managed_files.describe([*found.changes, *called])
    outcome.diff += [{"before": "", "after": f"{entry}\n"} for entry in loose]
    if action:
        outcome.diff.append({"before": "", "after": f"{machine.unit}: {action}\n"})
    return outcome


def _settle_service(machine: K3s, found: Settled, record: Record) -> None:
    if found.step.enable:
        machine.run(["systemctl", "enable", "--quiet", machine.unit])
    if found.step.action:
        machine.start("start" if found.step.action == "start" else "restart")
        # With the files as they stand now, not as they stood when they were compared.
        record.services[machine.unit] = services.digest_of(found.step.service.reads, record)
        record.save()
    elif not machine.running():
        # After a boot, or again and again: who goes on now finds no server that answers.
        machine.start("")


def _enter(machine: K3s, params: t.Mapping[str, t.Any], *, check: bool) -> Outcome:
    """Begin a cluster or join one, unless the machine is a node already."""
    state = params["state"]
    what = "begins the cluster" if state == "begun" else "joins the cluster"
    diff = [{"before": "", "after": f"{machine.node.name} {what} {machine.cluster.name}\n"}]
    if check:
        changed = machine.phase() != "complete"
        return Outcome(changed=changed, diff=diff if changed else [])
    with locked(machine.state_directory):
        if machine.phase() == "complete":
            return Outcome()
        if state == "begun":
            machine.begin(params["token"] or "", params["agent_token"] or "", params.get("authority"))
        elif state == "joined":
            machine.join(K3sInvitation(**params["invitation"]))
        elif state == "departed":
            machine.set_out(K3sInvitation(**params["invitation"]))
            return Outcome(changed=True, diff=diff)
        else:
            machine.arrive()
        hardening_of(machine, params).tighten()
        record = Record.load(machine.state_directory)
        service = service_of(machine, wanted_files(machine, params))
        record.services[machine.unit] = services.digest_of(service.reads, record)
        record.save()
    invitation = asdict(machine.invite(servers=params["servers"])) if state == "begun" else None
    return Outcome(changed=True, diff=diff, invitation=invitation)


__all__ = (
    "ARGUMENTS",
    "INSTALL_SETS",
    "VERBS",
    "Outcome",
    "commands_of",
    "compare",
    "hardening_of",
    "inspect",
    "machine_of",
    "perform",
)
