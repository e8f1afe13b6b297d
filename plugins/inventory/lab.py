# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: lab
short_description: Machines of a lab
version_added: "0.1.0"
author:
  - KatesKit developers (@kateskit)
description:
  - Reads a lab's definition, checks it, and offers its machines as hosts.
    They are reached by SSH inside the lab's network namespace.
  - The same file tells M(kateskit.klubster.lab) which machines to make.
    They need not run for the inventory to be read.
  - Adds the host V(lab_controller). Its modules run on the controller, inside the lab's network namespace, so that
    they reach what the machines offer.
  - The file's name must end in C(lab.yml) or C(lab.yaml).
  - If the environment variable E(KLUBSTER_LAB_NAME) is set, it takes the place of O(name),
    so that one definition serves several labs at a time.
options:
  plugin:
    description: Marks the file as a definition of a lab.
    type: str
    required: true
    choices: [kateskit.klubster.lab]
  name:
    description: The lab's name, a DNS label of at most 20 characters.
    type: str
    default: lab
  backend:
    description:
      - How machines are made.
      - V(container) is systemd-nspawn. V(memory) makes none and serves tests.
    type: str
    default: container
    choices: [container, memory]
  base:
    description:
      - The system of the machines. Each is built once and shared by all labs.
      - Machines that exist keep theirs; take the lab down first to change it.
    type: str
    default: debian-12
    choices: [debian-12, debian-13]
  segments:
    description:
      - Networks by name. Each is a bridge in the lab's own network namespace, which has no way out.
      - Keys are C(network) (one network, or an IPv4 and an IPv6 network with a comma between),
        C(gateway) (the first address of the network if it is left out) and C(mtu).
    type: dict
    required: true
  forwarding:
    description: Pairs of segments between which the lab carries traffic. Between all others it refuses it.
    type: list
    elements: list
    default: []
  machines:
    description:
      - Machines by name.
      - Keys are C(addresses) (by segment; the first one is what Ansible talks to), C(groups), C(memory),
        C(cpus), C(disks) and C(vars).
      - A disk has C(name), C(kind) (V(block) or V(folder)), C(size) for a block device, and C(path).
    type: dict
    required: true
seealso:
  - module: kateskit.klubster.lab
"""

EXAMPLES = r"""
---
# lab.yml
plugin: kateskit.klubster.lab
name: lab
segments:
  lan: {network: 10.77.0.0/24}
machines:
  server1:
    groups: [servers]
    addresses: {lan: 10.77.0.11}
  agent1:
    groups: [agents]
    addresses: {lan: 10.77.0.12}
    memory: 4G
    disks:
      - {name: data, size: 10G}
"""

import os
import typing as t

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.definition import parse_lab
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.inventory import inventory_of
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.paths import LabPaths, cache_folder
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain


class InventoryModule(BaseInventoryPlugin):  # type: ignore[misc]
    NAME = "kateskit.klubster.lab"

    def verify_file(self, path: str) -> bool:
        return bool(super().verify_file(path)) and path.endswith(("lab.yml", "lab.yaml"))

    def parse(self, inventory: t.Any, loader: t.Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        # Not self.get_option: the definition's own rules explain more than option types do.
        loaded = loader.load_from_file(path, cache="none")
        definition = plain(loaded)
        if not isinstance(definition, dict) or definition.get("plugin") != self.NAME:
            raise AnsibleParserError(f"{path} is no definition of a lab: it does not say plugin: {self.NAME}.")
        try:
            lab = parse_lab(definition, name=os.environ.get("KLUBSTER_LAB_NAME") or None)
        except KlubsterError as exc:
            raise AnsibleParserError(f"{path}: {exc}") from exc
        data = inventory_of(lab, LabPaths(lab.name, cache_folder()), definition=str(loader.path_dwim(path)))
        for name, value in data.variables.items():
            inventory.set_variable("all", name, value)
        for group in data.groups:
            inventory.add_group(group)
        for host, variables in data.hosts.items():
            inventory.add_host(host)
            # As loaded, so that they may hold templates like variables of any inventory.
            own = ((loaded["machines"].get(host) or {}).get("vars") or {}) if host in lab.machines else {}
            for name, value in {**variables, **own}.items():
                inventory.set_variable(host, name, value)
        for group, members in data.groups.items():
            for host in members:
                inventory.add_child(group, host)
