# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: lab
short_description: Start, change and remove the machines of a lab
version_added: "0.1.0"
author:
  - KatesKit developers (@kateskit)
description:
  - Makes a lab what its definition says. All machines start together,
    and the module returns when each of them answers over SSH.
  - Machines that left the definition are removed, new ones are added, changed ones are started
    anew with their disks kept, others are not touched.
  - It can be run again after any interruption.
  - It runs on the controller as root.
extends_documentation_fragment: [kateskit.klubster._attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
options:
  definition:
    description: The file that defines the lab, which is also an inventory by P(kateskit.klubster.lab#inventory).
    type: path
    required: true
  name:
    description: The lab's name, in place of the one in O(definition).
    type: str
  state:
    description:
      - V(up) makes the lab what its definition says, and starts machines that are off.
      - V(down) removes the lab with everything of it. The root file system that all labs share stays.
      - V(off) pulls the plug of O(machines), or shuts them down if O(orderly). Their disks keep what they hold.
      - V(on) starts O(machines) again.
    type: str
    choices: [up, down, "off", "on"]
    default: up
  machines:
    description: Machines that V(state=off) and V(state=on) are about.
    type: list
    elements: str
    default: []
  orderly:
    description: Whether V(state=off) lets machines stop their services first.
    type: bool
    default: false
  mirror:
    description:
      - The mirror of Debian from which the root file system is built.
      - Empty means the one that apt of this host uses.
    type: str
    default: ""
  ready_timeout:
    description: Seconds that machines may take to start.
    type: int
    default: 120
requirements:
  - PyYAML
seealso:
  - plugin: kateskit.klubster.lab
    plugin_type: inventory
"""

EXAMPLES = r"""
---
- name: Start the lab
  kateskit.klubster.lab:
    definition: inventories/lab/lab.yml

- name: Pull the plug of one machine
  kateskit.klubster.lab:
    definition: inventories/lab/lab.yml
    state: "off"
    machines: [server1]

- name: Remove the lab
  kateskit.klubster.lab:
    definition: inventories/lab/lab.yml
    state: down
"""

RETURN = r"""
name:
  description: The lab's name.
  returned: success
  type: str
  sample: lab
namespace:
  description: The lab's network namespace.
  returned: success
  type: str
  sample: /run/netns/klab-lab
machines:
  description: Machines that were or, in check mode, would be started, stopped, changed or removed.
  returned: success
  type: list
  elements: str
  sample: [server1, agent1]
leftovers:
  description: What is still there of a lab that was removed; always empty unless something is wrong.
  returned: when O(state=down), outside check mode
  type: list
  elements: str
  sample: []
"""

import traceback
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.backend import Backend
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.container import ContainerBackend, check_host
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.definition import Lab, parse_lab
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.memory import MemoryBackend
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.paths import LabPaths, cache_folder

try:
    import yaml
except ImportError:
    HAS_YAML = False
    YAML_TRACEBACK = traceback.format_exc()
else:
    HAS_YAML = True
    YAML_TRACEBACK = ""


def read_lab(path: Path, name: str | None) -> Lab:
    try:
        data = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as exc:
        raise KlubsterError(f"The definition {path} cannot be read: {exc}") from exc
    return parse_lab(data, name=name)


def backend_of(lab: Lab, params: dict[str, t.Any]) -> Backend:
    if lab.backend == "memory":
        return MemoryBackend()
    check_host()
    return ContainerBackend(cache_folder(), mirror=params["mirror"], ready_timeout=params["ready_timeout"])


def perform(backend: Backend, lab: Lab, params: dict[str, t.Any], *, check: bool) -> dict[str, t.Any]:
    """Do what the state asks for; return the module's result."""
    result: dict[str, t.Any] = {"name": lab.name, "namespace": str(LabPaths(lab.name, cache_folder()).namespace)}
    state = params["state"]
    if state == "up":
        changes = backend.up(lab, check=check)
        touched = {*changes.remove, *changes.restart, *changes.limit, *changes.start}
        return {
            **result,
            "changed": not changes.empty,
            "machines": sorted(touched),
            "diff": changes.difference.as_diff(),
        }
    if state == "down":
        machines = sorted(backend.observe(lab.name).machines)
        changed = backend.down(lab.name, check=check)
        if not check:
            result["leftovers"] = backend.leftovers(lab.name)
        diff = {"before": {"lab": lab.name} if changed else {}, "after": {}}
        return {**result, "changed": changed, "machines": machines, "diff": diff}
    if state == "off":
        touched_now = backend.power_off(lab.name, params["machines"], orderly=params["orderly"], check=check)
    else:
        touched_now = backend.power_on(lab.name, params["machines"], check=check)
    before, after = ("running", "off") if state == "off" else ("off", "running")
    diff = {"before": dict.fromkeys(touched_now, before), "after": dict.fromkeys(touched_now, after)}
    return {**result, "changed": bool(touched_now), "machines": list(touched_now), "diff": diff}


def main() -> None:
    module = AnsibleModule(
        {
            "definition": {"type": "path", "required": True},
            "name": {"type": "str"},
            "state": {"type": "str", "choices": ["up", "down", "off", "on"], "default": "up"},
            "machines": {"type": "list", "elements": "str", "default": []},
            "orderly": {"type": "bool", "default": False},
            "mirror": {"type": "str", "default": ""},
            "ready_timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    if not HAS_YAML:
        module.fail_json(msg=missing_required_lib("PyYAML"), exception=YAML_TRACEBACK)
    try:
        lab = read_lab(Path(module.params["definition"]), module.params["name"] or None)
        result = perform(backend_of(lab, module.params), lab, module.params, check=module.check_mode)
        if result.get("leftovers"):
            raise KlubsterError(f"Of lab {lab.name} there is still: {'; '.join(result['leftovers'])}")
    except (KlubsterError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
