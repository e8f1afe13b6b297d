#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: machine_settings
short_description: Prepare a machine for a cluster in one call
version_added: "0.1.0"
description:
  - Loads kernel modules and sets kernel settings, now and for later starts, keeps the cluster's names in C(/etc/hosts),
    lets the cluster through the machine's firewall, and on a Raspberry Pi completes the kernel's command line.
  - Writes down how things were before, so that M(kateskit.klubster.node_reset) can put them back.
  - Packages are only looked at; RV(missing_packages) says which to install. Swap is left as it is.
author:
  - KatesKit developers (@kateskit)
extends_documentation_fragment:
  - kateskit.klubster._attributes
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
  kernel_modules:
    description: Modules that have to be loaded or built in.
    type: list
    elements: str
    default: []
  sysctls:
    description: Kernel settings by name.
    type: dict
    default: {}
  hosts:
    description: Lines of a marked block in C(/etc/hosts). Empty leaves the file alone.
    type: list
    elements: dict
    default: []
    suboptions:
      address:
        description: IP address.
        type: str
        required: true
      names:
        description: Names for the address.
        type: list
        elements: str
        required: true
  packages:
    description: Packages that have to be installed on any system.
    type: list
    elements: str
    default: []
  platforms:
    description:
      - What differs between families of systems. The machine chooses its row by C(ID) or C(ID_LIKE) in
        C(/etc/os-release).
      - A system without a row is refused, unless there is no row at all.
    type: list
    elements: dict
    default: []
    suboptions:
      systems:
        description: Names of the systems that the row is for.
        type: list
        elements: str
        default: []
      packages:
        description: Packages that have to be installed.
        type: list
        elements: str
        default: []
      selinux_packages:
        description: Packages that have to be installed where SELinux is on.
        type: list
        elements: str
        default: []
      command_line_files:
        description: Where a Raspberry Pi's boot loader may keep the kernel's command line.
        type: list
        elements: str
        default: []
  boot_parameters:
    description: Parameters of the kernel's command line on a Raspberry Pi. Other machines are not touched.
    type: list
    elements: str
    default: []
  firewall:
    description:
      - The C(firewall) of what M(kateskit.klubster.cluster_plan) returned. Only rules of ours are added and removed.
      - Without it no firewall is looked at.
    type: dict
    default: {}
  role:
    description: The machine's role in the cluster, for O(firewall).
    type: str
    choices: [server, agent]
    default: agent
"""

EXAMPLES = r"""
---
- name: Prepare the machine
  kateskit.klubster.machine_settings:
    kernel_modules: [overlay, br_netfilter]
    sysctls:
      net.ipv4.ip_forward: 1
    hosts:
      - address: 192.0.2.11
        names: [api.home.internal, server1]
    packages: [conntrack]
"""

RETURN = r"""
missing_packages:
  description: Packages that are not installed.
  returned: success
  type: list
  elements: str
  sample: [conntrack]
firewall:
  description: The firewall that has our rules; V(none) if there is none, or if none was to be looked at.
  returned: success
  type: str
  sample: ufw
reboot_required:
  description: Whether the kernel runs without a parameter that it shall be started with.
  returned: success
  type: bool
  sample: false
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kateskit.klubster.plugins.module_utils._command import run
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError, reason
from ansible_collections.kateskit.klubster.plugins.module_utils._node import platforms
from ansible_collections.kateskit.klubster.plugins.module_utils._node.kernel import Kernel
from ansible_collections.kateskit.klubster.plugins.module_utils._node.machine import (
    apply,
    as_result,
    compare,
    wanted_of,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import Record, locked


def main() -> None:
    module = AnsibleModule(
        {
            "kernel_modules": {"type": "list", "elements": "str", "default": []},
            "sysctls": {"type": "dict", "default": {}},
            "hosts": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "address": {"type": "str", "required": True},
                    "names": {"type": "list", "elements": "str", "required": True},
                },
            },
            "packages": {"type": "list", "elements": "str", "default": []},
            "platforms": {"type": "list", "elements": "dict", "default": [], "options": platforms.OPTIONS},
            "boot_parameters": {"type": "list", "elements": "str", "default": []},
            "firewall": {"type": "dict", "default": {}},
            "role": {"type": "str", "choices": ["server", "agent"], "default": "agent"},
        },
        supports_check_mode=True,
    )
    given = module.params
    kernel = Kernel()
    try:
        wanted = wanted_of(given, kernel.root)
        if module.check_mode:
            result = as_result(compare(wanted, Record.load(), kernel, run))
        else:
            with locked():
                record = Record.load()
                state = compare(wanted, record, kernel, run)
                apply(state, record, kernel, run)
            result = as_result(state)
    except (KlubsterError, OSError) as exc:
        module.fail_json(msg=reason(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
