#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_status
short_description: Say how a cluster is and what is wrong with it
version_added: "0.1.0"
description:
  - Asks the Kubernetes API once for machines, control plane, layers, load-balancer addresses, storage, pods and
    warnings, and returns one report. Problems name the likely cause first; what only follows from it stands below it.
  - A cluster that does not answer is a report too, with the cause; the module does not fail.
  - Secrets, ConfigMaps and environments of containers are never asked for.
author:
  - KatesKit developers (@kateskit)
requirements:
  - kubernetes (Python library) on the host that runs the module
extends_documentation_fragment:
  - kateskit.klubster._attributes
  - kateskit.klubster._attributes.info_module
  - kateskit.klubster._sets
attributes:
  platform:
    support: full
    platforms: posix
options:
  kubeconfig:
    description: Path of a kubeconfig that may read the whole cluster.
    type: path
    required: true
  context:
    description: Context in the kubeconfig. By default its current one.
    type: str
    default: ""
  plan:
    description:
      - What M(kateskit.klubster.cluster_plan) returned. The report then also tells of machines that have not joined and
        of pools and layers that are missing.
    type: dict
    default: {}
  routers:
    description:
      - Looks at the routers around the cluster, by P(kateskit.klubster.router_looks#filter). Both sides of each session
        are compared, and the report names the cause of one that is down.
    type: list
    elements: dict
    default: []
  timeout:
    description: Seconds for all answers together.
    type: int
    default: 10
  wait:
    description:
      - Seconds that a cluster which is not well is given to become so. What was started a moment ago may still be on
        its way.
    type: int
    default: 0
  kubeconfig_sha256:
    description:
      - What the kubeconfig may be, by RV(kateskit.klubster.kubeadm_node_info#module:kubeconfig_sha256) of each server.
        If it is another, or others may read it, then everything is RV(lacking) and the cluster is not asked.
      - Without it, any kubeconfig will do; an empty list takes none.
    type: list
    elements: str
seealso:
  - module: kateskit.klubster.cluster_plan
  - module: kateskit.klubster.status_page
  - plugin: kateskit.klubster.router_looks
    plugin_type: filter
  - plugin: kateskit.klubster.status_table
    plugin_type: filter
"""

EXAMPLES = r"""
---
- name: Ask the cluster how it is
  kateskit.klubster.cluster_status:
    kubeconfig: ~/.kube/klubster-home.yaml
  register: status

- name: Show it
  ansible.builtin.debug:
    msg: "{{ status.report | kateskit.klubster.status_table }}"

- name: Go on only with a healthy cluster
  ansible.builtin.assert:
    that: status.report.healthy
"""

RETURN = r"""
lacking:
  description:
    - C(kubeconfig) if it is none of O(kubeconfig_sha256), and the names of those of O(sets) that differ or are not
      ready.
  returned: success
  type: list
  elements: str
  sample: [load-balancer]
report:
  description: The state of the cluster.
  returned: success
  type: dict
  contains:
    schema:
      description: Version of this structure.
      type: int
    name:
      description: Name of the cluster as in the plan, else C(cluster).
      type: str
    generated:
      description: When the state was seen, by the clock of the API server.
      type: str
    healthy:
      description: Whether none of the problems is an error. Errors are about the cluster, warnings about what it runs.
      type: bool
    problems:
      description: What is wrong, likely causes first.
      type: list
      elements: dict
      contains:
        severity:
          description: V(error) or V(warning).
          type: str
        cause:
          description: The likely cause.
          type: str
        subject:
          description: What it was seen on.
          type: str
        detail:
          description: What was seen.
          type: str
        remedy:
          description: What to do.
          type: str
        consequences:
          description: What else is not well because of it.
          type: list
          elements: str
    api:
      description: Address and version of the API, whether it answers and if not why, checks of it that fail.
      type: dict
    nodes:
      description: Machines, with state and reason, role, addresses, pod networks, version, size, pressure and age.
      type: list
      elements: dict
    control_plane:
      description: Components of the control plane on each server.
      type: list
      elements: dict
    layers:
      description: Pod network, service addresses, names, storage and load balancer, each with its state and reason.
      type: list
      elements: dict
    networks:
      description: Networks of pods and services and the address of the DNS.
      type: dict
    pools:
      description: Pools of addresses, with how many are used and free.
      type: list
      elements: dict
    services:
      description: Services of type LoadBalancer, with addresses, pool, ready pods, and who announces them.
      type: list
      elements: dict
    routing:
      description:
        - Networks, routers, sessions of BGP with the cause if one is not well, and who knows the way to which address.
        - Empty lists without O(routers).
      type: dict
    names:
      description: Who tells the networks around the cluster the names of its services. Null if nobody shall.
      type: dict
    storage_classes:
      description: Storage classes.
      type: list
      elements: dict
    claims:
      description: Claims on storage.
      type: list
      elements: dict
    pods:
      description: How many pods there are and are ready, and those in trouble with the reason.
      type: dict
    events:
      description: Warnings that the cluster still remembers, the newest first, at most 20.
      type: list
      elements: dict
  sample:
    schema: 1
    name: home
    generated: "2026-11-21T08:00:00Z"
    healthy: false
    problems:
      - severity: error
        cause: The machine agent2 is off, or its kubelet does not reach the API
        subject: node agent2
        detail: Kubelet stopped posting node status (since 2026-11-21 07:51:02 UTC)
        remedy: "Start the machine. On that machine read: journalctl -u kubelet -u containerd --since -10min"
        consequences: ["Load balancer: speaker: 2 of 3 pods are ready"]
"""

import time
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.apply import Applier
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.client import KubernetesService
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.service import Unreachable
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.sets import (
    ARGUMENT,
    SECRET_VALUES,
    Options,
    parse_sets,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.kubeconfig import is_current
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.module_utils._status.collect import (
    IMPORT_ERROR,
    Unanswered,
    connect,
    gather,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._status.report import (
    expectation,
    report_of,
    report_of_silence,
)

#: seconds between two looks
_PAUSE = 2.0


def run(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The module without its shell."""
    deadline = time.monotonic() + params["wait"]
    while True:
        found = _look(params)
        if found["report"]["healthy"] or time.monotonic() >= deadline:
            return found
        time.sleep(_PAUSE)


def _look(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    expected = expectation(params["plan"])
    wanted, path = params["kubeconfig_sha256"], Path(params["kubeconfig"])
    if wanted is not None and not is_current(path, wanted):
        silence = Unanswered("kubeconfig", f"{path} is not what it shall be")
        return {
            "changed": False,
            "report": report_of_silence(silence, expected, _now(), params["routers"]),
            "lacking": ["kubeconfig", *(one["name"] for one in params["sets"])],
        }
    try:
        server, get = connect(params["kubeconfig"], params["context"], float(params["timeout"]))
        report = report_of(gather(server, get), expected, params["routers"])
    except Unanswered as exc:
        report = report_of_silence(exc, expected, _now(), params["routers"])
        return {"changed": False, "report": report, "lacking": [one["name"] for one in params["sets"]]}
    return {"changed": False, "report": report, "lacking": _lacking(params)}


def _lacking(params: t.Mapping[str, t.Any]) -> list[str]:
    sets = parse_sets(params["sets"], params["secret_values"])
    if not sets:
        return []
    try:
        service = KubernetesService(params["kubeconfig"])
        found = Applier(service, sets, Options(check=True)).run()
    except Unreachable:
        return [one.name for one in sets]
    return [one.name for one in sets if not found.settled(one.name)]


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "kubeconfig": {"type": "path", "required": True},
            "context": {"type": "str", "default": ""},
            "plan": {"type": "dict", "default": {}},
            "routers": {"type": "list", "elements": "dict", "default": []},
            "timeout": {"type": "int", "default": 10},
            "wait": {"type": "int", "default": 0},
            "kubeconfig_sha256": {"type": "list", "elements": "str"},
            "sets": ARGUMENT,
            "secret_values": SECRET_VALUES,
        },
        supports_check_mode=True,
    )
    if IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=IMPORT_ERROR)
    try:
        result = run(module.params)
    except KlubsterError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
