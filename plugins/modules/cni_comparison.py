#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: cni_comparison
short_description: Make, measure and remove a cluster for each choice of a pod network
version_added: "0.1.0"
description:
  - For each choice runs the playbooks preflight.yml, site.yml, measure_cni.yml and reset.yml that lie beside the
    playbook with this task, on the machines of its inventory. Extra variables and files with passwords are handed on;
    what was typed at a prompt cannot be.
  - A choice that preflight refuses counts as not run here, with the reason; one that fails loses nobody else's numbers.
  - Writes C(comparison.json) and C(index.html), a page that fetches nothing. Each result has a file of its own, so that
    the page can be drawn anew.
author:
  - KatesKit developers (@kateskit)
requirements:
  - matplotlib (Python library) on the controller, for the plot; without it the page has its tables only
extends_documentation_fragment:
  - kateskit.klubster._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - V(measure) measures each time; V(check) changes nothing.
  platform:
    support: full
    platforms: posix
options:
  choices:
    description:
      - Entries with C(cni) and, as far as wanted, C(backend), C(service_proxy), C(mtu), C(chart), C(chart_sha256),
        C(values), C(manifests), as the variables C(klubster_cni_*) take them; C(name), by which it is shown;
        C(not_run), a reason for not trying it here. What an entry leaves out is as in the inventory.
    type: list
    elements: raw
    required: true
  cluster:
    description: Name of the cluster, as in the plan.
    type: str
    required: true
  confirmation:
    description: Must be O(cluster) for anything to be measured, since its machines are reset.
    type: str
    default: ""
  directory:
    description: Folder on the controller for results, page and logs.
    type: path
    required: true
  work:
    description:
      - V(measure) measures and reports, V(report) makes the page of what was kept, V(check) only looks at the input.
    type: str
    choices: [check, measure, report]
    default: measure
  timeout:
    description: Seconds that one playbook of a choice may take.
    type: int
    default: 1800
seealso:
  - module: kateskit.klubster.network_load
"""

EXAMPLES = r"""
---
- name: Compare two ways of Flannel on the machines of this inventory
  kateskit.klubster.cni_comparison:
    choices:
      - {cni: flannel, backend: vxlan}
      - {cni: flannel, backend: host-gw}
    cluster: lab
    confirmation: lab
    directory: build/reports/compare-cni
  register: compared
"""

RETURN = r"""
page:
  description: The page.
  returned: success
  type: str
  sample: build/reports/compare-cni/index.html
json:
  description: All numbers.
  returned: success
  type: str
  sample: build/reports/compare-cni/comparison.json
table:
  description: The numbers as lines for a terminal.
  returned: success
  type: str
  sample: Pod networks of lab
failures:
  description: Names of the choices that were run and have no numbers.
  returned: success
  type: list
  elements: str
  sample: []
"""
