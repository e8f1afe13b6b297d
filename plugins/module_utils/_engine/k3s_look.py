# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What a machine is to its cluster under k3s and what it lacks: the answer of ``k3s_node_info``."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._engine import (
    k3s_commands,
    k3s_files,
    k3s_verbs,
    kubeconfig,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s import K3s
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.look import Change, Look, look_of
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.service_set import Settled
from ansible_collections.kateskit.klubster.plugins.module_utils._node import install
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import Record

_FILES = {"type": "list", "elements": "dict", "default": [], "options": install.FILE_OPTIONS}
#: options of k3s_node_info
ARGUMENTS: dict[str, t.Any] = k3s_verbs.ARGUMENTS | {
    "release_dir": {"type": "path"},
    "architecture": {"type": "str", "default": "amd64"},
    "bundle_dir": {"type": "path"},
    "programs": _FILES,
    "archives": _FILES,
    "image_archives": {"type": "list", "elements": "dict", "default": []},
    "nodes": {"type": "list", "elements": "dict", "default": []},
    "ca_hash": {"type": "str", "default": ""},
}
#: a warning of a file in k3s's folder of drop-ins
STRANGER = "{path} was not written by this collection. k3s reads it last, so it beats what stands in ours."


def look(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """From the options of ``k3s_node_info`` to its answer."""
    machine = k3s_verbs.machine_of(params)
    seen = compare(machine, params)
    versions = machine.versions() if "programs" in seen.lacking else ()
    found = k3s_verbs.inspect(machine, params, versions, reconfigured="config" in seen.lacking)
    return {
        "lacking": seen.lacking,
        "change": seen.change,
        "node": found.node,
        "machine": found.machine,
        "strangers": strangers(machine),
        "kubeconfig_sha256": kubeconfig.digest_for(machine.root / machine.layout.kubeconfig.lstrip("/"), params),
    }


def compare(machine: K3s, params: t.Mapping[str, t.Any]) -> Look:
    """The parts that are not as they shall be: programs, images, config, node; and what changing them means."""
    record = Record.load(machine.state_directory)
    hardening = k3s_verbs.hardening_of(machine, params)
    programs, images = (
        install.compare(tuple(install.parse(params[option])), name, record)
        for name, option in zip(k3s_verbs.INSTALL_SETS, ("programs", "archives"))
    )
    files = k3s_verbs.compare(machine, params)
    change = _change(programs, machine.layout.program)
    forgotten = k3s_commands.forget(machine.layout, record, machine.root)
    parts: dict[str, Change] = {
        "programs": "live" if change == "none" and (forgotten or k3s_verbs.commands_of(machine, record)[1]) else change,
        "images": _change(images),
        "config": _change_of(files, loose=bool(hardening.lacking())),
        "node": "live" if _lacks_node(machine) else "none",
    }
    return look_of(parts, is_node=machine.phase() == "complete")


def _change(found: install.Comparison, program: str = "") -> Change:
    """Pods run on while k3s starts anew, but another version may bring another containerd: they go first."""
    if any(item.path == program for item in found.missing):
        return "drain"
    return "live" if found.seen or not found.empty else "none"


def _change_of(found: Settled, *, loose: bool) -> Change:
    """Modes and accounts are changed while everything runs."""
    if found.step.action == "restart":
        return "restart"
    return "live" if found.changed or loose else "none"


def _lacks_node(machine: K3s) -> bool:
    if machine.phase() != "complete" or not machine.running():
        return True
    if not machine.is_server:
        return False
    api = machine.api()
    return api is None or not api.ready()


def strangers(machine: K3s) -> list[str]:
    """Drop-ins of others, whose keys beat ours."""
    folder = machine.root / machine.layout.drop_ins.lstrip("/")
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return [f"{machine.layout.drop_ins}/{name}" for name in k3s_files.strangers(names)]


__all__ = ("ARGUMENTS", "STRANGER", "compare", "look", "strangers")
