# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""A lab as an Ansible inventory: hosts, groups and variables. Pure."""

from __future__ import annotations

import shlex
import typing as t
from dataclasses import dataclass, field

from ansible_collections.kateskit.klubster.plugins.module_utils._lab.definition import CONTROLLER, Lab
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.paths import LabPaths


@dataclass(frozen=True)
class InventoryData:
    """What goes into the inventory."""

    variables: dict[str, t.Any] = field(default_factory=dict)
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    hosts: dict[str, dict[str, t.Any]] = field(default_factory=dict)


def inventory_of(lab: Lab, paths: LabPaths, *, definition: str) -> InventoryData:
    """Hosts with the way to each.

    :param definition: path of the definition file, for lab_up and lab_down.
    """
    hosts: dict[str, dict[str, t.Any]] = {}
    groups: dict[str, list[str]] = {}
    for name, machine in lab.machines.items():
        hosts[name] = {
            "ansible_host": str(machine.address),
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(paths.key),
            "ansible_ssh_common_args": f"-F {shlex.quote(str(paths.ssh_config))}",
            # Ansible's own name for the socket knows only address and user, which other labs have too.
            "ansible_control_path": str(paths.control(name)).replace("%", "%%"),
            "ansible_python_interpreter": "/usr/bin/python3",
            "lab_addresses": {segment: [str(one) for one in own] for segment, own in machine.addresses.items()},
            **machine.vars,
        }
        for group in machine.groups:
            groups.setdefault(group, []).append(name)
    hosts[CONTROLLER] = {"ansible_connection": "local", "ansible_python_interpreter": str(paths.python)}
    variables = {
        "lab_name": lab.name,
        "lab_definition": definition,
        "lab_state_dir": str(paths.state),
        "lab_network_namespace": str(paths.namespace),
    }
    return InventoryData(variables, {name: tuple(members) for name, members in groups.items()}, hosts)


__all__ = ("InventoryData", "inventory_of")
