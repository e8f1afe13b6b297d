#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_check
short_description: Refuse machines or a bundle with which the planned cluster cannot be made
version_added: "0.1.0"
description:
  - Compares what M(kateskit.klubster.node_probe) found on all machines with what the plan needs, and verifies the
    bundle.
  - All problems are reported at once, each with variable, value, rule and remedy.
  - It runs on the controller. Nothing is changed but the user's cache folder, which gets a list of the bundle's files
    that need not be read again, and manifests of upstream's releases where the plan takes layers from them.
author:
  - KatesKit developers (@kateskit)
extends_documentation_fragment:
  - kateskit.klubster._attributes
  - kateskit.klubster._attributes.info_module
attributes:
  platform:
    support: full
    platforms: all
options:
  plan:
    description: What M(kateskit.klubster.cluster_plan) returned.
    type: dict
    required: true
  probe:
    description: Name of the variable that holds each machine's result of M(kateskit.klubster.node_probe).
    type: str
    required: true
  refuse:
    description: Whether to fail when there are problems.
    type: bool
    default: true
  server_memory_mib:
    description: Memory that a server has at least.
    type: int
    default: 1700
  agent_memory_mib:
    description: Memory that an agent has at least.
    type: int
    default: 700
  server_cpus:
    description: Processors that a server has at least.
    type: int
    default: 2
  agent_cpus:
    description: Processors that an agent has at least.
    type: int
    default: 1
  time_skew:
    description: Seconds by which the clocks of two machines may differ.
    type: float
    default: 5.0
  disk_mib:
    description: Room that a new node needs, in MiB for each folder. Folders on one file system are added up.
    type: dict
    default: {}
  running_disk_mib:
    description: Room that each file system of a running node keeps, in MiB.
    type: int
    default: 200
  reboot:
    description: Whether a Raspberry Pi may be rebooted for its kernel command line.
    type: bool
    default: false
seealso:
  - module: kateskit.klubster.cluster_plan
  - module: kateskit.klubster.node_probe
"""

EXAMPLES = r"""
---
- name: Look at the machines
  kateskit.klubster.node_probe:
    plan: "{{ klubster_plan }}"
  register: probe

- name: Refuse what cannot work
  kateskit.klubster.preflight_check:
    plan: "{{ klubster_plan }}"
    probe: probe
  run_once: true
"""

RETURN = r"""
problems:
  description: What is wrong.
  returned: always
  type: list
  elements: dict
  sample:
    - variable: memory of node1
      value: 512 MiB
      rule: A server has at least 1700 MiB (preflight_server_memory_mib).
      remedy: Give the machine more memory, or another role.
refusal:
  description: All problems as one text; empty when there are none.
  returned: always
  type: str
  sample: ""
notes:
  description: What is allowed, but worth a thought; shown as warnings too.
  returned: always
  type: list
  elements: str
  sample: ["node1: ufw is active and must let the cluster's ports and networks through."]
text:
  description: The plan in words, with a table of the machines, for people.
  returned: always
  type: str
  sample: "cluster        home: 1 server(s), 2 agent(s)"
"""
