#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: network_load
short_description: Put a bounded load on the network of a machine or of a pod, and measure it
version_added: "0.1.0"
description:
  - Measures throughput by iperf3, and round trips and new connections by TCP, from a machine's own network or from that
    of a pod on it. The pod needs no program for that; its network namespace is entered from the machine.
  - What serves such loads runs in units of systemd, which ends them after O(lifetime) whatever happens.
  - A load that fails is no failure of the module. Its sample says why, and has no numbers.
author:
  - KatesKit developers (@kateskit)
requirements:
  - iperf3, nsenter and systemd on the machine
  - the rights of root
extends_documentation_fragment:
  - kateskit.klubster._attributes
attributes:
  check_mode:
    support: partial
    details:
      - Neither serves nor loads in check mode; RV(sample) is then empty.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - V(serve) begins anew each time.
  platform:
    support: full
    platforms: posix
options:
  work:
    description:
      - V(serve) starts what answers iperf3 on O(port) and round trips on the port after it; V(stop) ends it.
      - V(load) asks it, V(reach) only says whether it can be reached.
      - V(cost) says what the programs of pod networks and kube-proxy on this machine have taken so far.
    type: str
    choices: [serve, stop, load, reach, cost]
    required: true
  name:
    description: Names the units of V(serve) and V(stop).
    type: str
    default: ""
  pod:
    description: UID of a pod on this machine in whose network all of it happens. Without it, in the machine's own.
    type: str
    default: ""
  address:
    description:
      - Address that is asked by V(load) and V(reach). For V(serve), the one by which it will be asked.
    type: str
    default: ""
  port:
    description: TCP port of iperf3. The next one is that of round trips.
    type: int
    default: 5201
  seconds:
    description: Seconds of the throughput's measurement, after one that is not counted; the most for the others.
    type: int
    default: 5
  round_trips:
    description: How many round trips.
    type: int
    default: 2000
  connections:
    description: How many new connections.
    type: int
    default: 100
  timeout:
    description: Seconds until the other side must have answered once.
    type: int
    default: 30
  wanted:
    description: What V(reach) waits for, O(timeout) at most.
    type: bool
    default: true
  lifetime:
    description: Seconds after which what serves is ended in any case.
    type: int
    default: 1800
"""

EXAMPLES = r"""
---
- name: Answer loads on this machine for ten minutes
  kateskit.klubster.network_load:
    work: serve
    name: try
    lifetime: 600

- name: Measure the network to it, from a pod of another machine
  kateskit.klubster.network_load:
    work: load
    pod: 0b6d6f4e-6a2f-4a55-8d53-3a3a6a1f0a11
    address: 192.0.2.12
  delegate_to: agent2
  register: loaded
"""

RETURN = r"""
sample:
  description: What V(load) measured. Times are in microseconds; what could not be had is null.
  returned: O(work=load)
  type: dict
  sample:
    bits_per_second: 9412000000.0
    sender_cpu: 31.5
    receiver_cpu: 44.0
    retransmits: 12
    round_trip_p50: 61.2
    round_trip_p99: 130.8
    connect_p50: 110.4
    connect_p99: 240.0
    error: ""
reached:
  description: Whether a connection came about.
  returned: O(work=reach)
  type: bool
  sample: true
cost:
  description:
    - By program, seconds of the processor since it started and bytes of memory now, with this machine's clock.
  returned: O(work=cost)
  type: dict
  sample:
    cpu_seconds: {flanneld: 1.5, kube-proxy: 0.8}
    memory: {flanneld: 31457280, kube-proxy: 41943040}
    at: 1234.5
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kateskit.klubster.plugins.module_utils._command import run
from ansible_collections.kateskit.klubster.plugins.module_utils._compare import load, network
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError, reason


def work(params: dict[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """The module without its shell."""
    load.check(params)
    target = load.Target(params["address"], params["port"], params["pod"])
    doing = params["work"]
    if doing == "cost":
        return {"changed": False, "cost": load.as_data(load.cost())}
    if check_mode:
        return {"changed": doing in ("serve", "stop"), "sample": {}, "reached": False}
    if doing == "serve":
        load.serve(run, params["name"], target, params["lifetime"])
        return {"changed": True}
    if doing == "stop":
        return {"changed": load.stop(run, params["name"])}
    if doing == "reach":
        with network.inside(network.network_of(target.pod) if target.pod else None):
            reached = load.reach(target, wanted=params["wanted"], timeout=params["timeout"])
        return {"changed": False, "reached": reached}
    amount = load.Amount(params["seconds"], params["round_trips"], params["connections"], params["timeout"])
    return {"changed": False, "sample": load.as_data(load.load(run, target, amount))}


def main() -> None:
    module = AnsibleModule(
        {
            "work": {"type": "str", "choices": ["serve", "stop", "load", "reach", "cost"], "required": True},
            "name": {"type": "str", "default": ""},
            "pod": {"type": "str", "default": ""},
            "address": {"type": "str", "default": ""},
            "port": {"type": "int", "default": 5201},
            "seconds": {"type": "int", "default": 5},
            "round_trips": {"type": "int", "default": 2000},
            "connections": {"type": "int", "default": 100},
            "timeout": {"type": "int", "default": 30},
            "wanted": {"type": "bool", "default": True},
            "lifetime": {"type": "int", "default": 1800},
        },
        supports_check_mode=True,
    )
    result: dict[str, t.Any] = {}
    try:
        result = work(module.params, module.check_mode)
    except (KlubsterError, OSError) as exc:
        module.fail_json(msg=reason(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
