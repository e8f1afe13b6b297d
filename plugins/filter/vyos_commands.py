# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: vyos_commands
short_description: The commands that make a VyOS router what a model describes
version_added: "0.1.0"
description:
  - Compares a model of a router with what C(show configuration commands) printed, in the parts that the model has, and
    returns the fewest C(delete) and C(set) commands that make them equal. They are for one commit.
  - A part that the model has is ours whole, so what the router has and the model has not is deleted. Of interfaces only
    those that the model names are, and of those only addresses and description.
  - The commands hold passwords. Send them with C(no_log).
author:
  - KatesKit developers (@kateskit)
positional: _input
options:
  _input:
    description: The model, as the option O(kateskit.klubster.frr_config#module:router) takes it.
    type: dict
    required: true
  running:
    description: What C(show configuration commands) printed. Empty for a router without a configuration.
    type: str
    default: ""
  version:
    description: Version of VyOS.
    type: str
    default: "1.4"
    choices: ["1.4", "1.5"]
  passwords:
    description: Passwords of neighbours and peer groups, by their names.
    type: dict
    default: {}
  foreign:
    description: By part, names in it that belong to somebody else.
    type: dict
    default: {}
"""

EXAMPLES = r"""
---
- name: Make a router of VyOS what the model says
  vyos.vyos.vyos_config:
    lines: "{{ commands }}"
    match: none
  when: commands | length > 0
  no_log: true
  vars:
    commands: "{{ router_model | kateskit.klubster.vyos_commands(running=shown.stdout[0], version='1.5') }}"
"""

RETURN = r"""
_value:
  description: The commands, deletions first; none when nothing is to be done.
  type: list
  elements: str
  sample:
    - delete protocols bgp neighbor 192.0.2.9
    - set protocols bgp neighbor 192.0.2.3 remote-as 65020
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, KlubsterError, Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._router import vyos, vyos_paths
from ansible_collections.kateskit.klubster.plugins.module_utils._router.parse import parse
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain


def vyos_commands(
    model: t.Any, *, running: t.Any = "", version: t.Any = "1.4", passwords: t.Any = None, foreign: t.Any = None
) -> list[str]:
    """The commands, from Ansible's values."""
    try:
        if plain(version) not in vyos.VERSIONS:
            rule = f"It is one of {', '.join(vyos.VERSIONS)}."
            raise InvalidInput([Problem("version", plain(version), rule, "Write it in quotes, like '1.4'.")])
        router, others = parse(plain(model), plain(passwords), plain(foreign), root="router")
        vyos.refuse(router, plain(version), "router")
        return list(vyos.difference(vyos_paths.parse(plain(running)), router, others, plain(version)).commands)
    except KlubsterError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"vyos_commands": vyos_commands}
