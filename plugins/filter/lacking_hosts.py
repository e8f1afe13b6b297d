# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: lacking_hosts
short_description: Machines that lack something of a layer
version_added: "0.1.0"
author:
  - KatesKit developers (@kateskit)
description:
  - From what M(kateskit.klubster.node_probe) said of all machines to a pattern of hosts for a play. Where nothing is
    lacking the pattern matches none, and the play is skipped.
  - Without a look, as with some tags, anything may be lacking, and the pattern matches all machines.
positional: _input, part
options:
  _input:
    description: Variables of all hosts, C(hostvars).
    type: dict
    required: true
  part:
    description:
      - V(machines) are those that lack anything below the engine.
      - V(engine) is all machines as soon as one of them lacks anything of the engine, for who begins and who joins is
        decided from the answers of all.
      - V(growing) is the server that has just started a cluster which others are to join, and whose engine brings the
        pods' network itself.
    type: str
    required: true
    choices: [machines, engine, growing]
  groups:
    description: The inventory's groups.
    type: dict
    required: true
seealso:
  - module: kateskit.klubster.node_probe
"""

EXAMPLES = r"""
---
- name: Prepare the machines that need it
  hosts: "{{ hostvars | kateskit.klubster.lacking_hosts('machines', groups) }}"
  tasks: []
"""

RETURN = r"""
_value:
  description: Names of hosts, or a pattern that matches none.
  type: list
  elements: str
  sample: [server2, agent1]
"""

import typing as t

from ansible_collections.kateskit.klubster.plugins.plugin_utils._looks import (
    NOBODY,
    began,
    engine_settled,
    looks_of,
    machines_lack,
)

_ALL = ["servers", "agents"]


def lacking_hosts(variables: t.Any, part: str, groups: t.Any) -> list[str]:
    """A pattern of hosts."""
    if part == "growing":
        first = began(variables, groups)
        return [first] if first else NOBODY
    if part != "machines":
        return NOBODY if engine_settled(variables, groups) else _ALL
    looks = looks_of(variables, groups)
    return [name for name, layers in looks.items() if machines_lack(layers)] or NOBODY if looks else _ALL


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"lacking_hosts": lacking_hosts}


__all__ = ("FilterModule", "lacking_hosts")
