#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_objects
short_description: Make sets of cluster objects what they should be
version_added: "0.1.0"
description:
  - Applies sets of objects by server-side apply with the field manager C(klubster), removes those that left a set, and
    waits until all are ready. One call takes any number of sets.
  - Objects get the labels C(app.kubernetes.io/managed-by=klubster) and C(klubster.kateskit.dev/set). Only objects with
    both are ever removed. An object that exists without them is refused, not taken over.
  - Definitions are applied in a safe order, whatever theirs is. Custom resources come last, when their definitions are
    served and their admission webhooks answer.
  - A set leaves a C(ConfigMap) C(klubster-set-NAME) in the namespace C(kube-system). It names the kinds of which the
    set has had objects, so that a removed pool is found even when no pool is left in the inventory.
  - In check mode a cluster that does not exist yet, or does not answer, counts as empty; RV(no_cluster) says so.
author:
  - KatesKit developers (@kateskit)
requirements:
  - kubernetes (Python library) on the host that runs the module
extends_documentation_fragment:
  - kateskit.klubster._attributes
  - kateskit.klubster._sets
attributes:
  check_mode:
    support: full
    details:
      - Asks the API for a dry run where it can answer one. Objects whose namespace or kind will only be made are shown
        as they are defined.
  diff_mode:
    support: full
    details:
      - Values of Secrets are masked, schemas of CustomResourceDefinitions are shown as a fingerprint.
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
options:
  kubeconfig:
    description: Path of a kubeconfig with the rights of an administrator.
    type: path
    required: true
  server:
    description:
      - URL of the API, instead of the kubeconfig's. The certificate is still checked against the kubeconfig's name.
    type: str
  prune:
    description: Whether objects that left a set are removed.
    type: bool
    default: true
  begin:
    description:
      - Only apply what needs no other, that is all but custom resources, and wait for nothing. Nothing is removed but
        sets that are to be absent. A later call without it does the rest, so that pods start while a cluster grows.
    type: bool
    default: false
  wait:
    description:
      - Whether to wait until the objects are ready and removed ones are gone. A removed C(IPAddressPool) is gone when
        no service holds an address of it.
    type: bool
    default: true
  timeout:
    description: Seconds that each of O(sets) may take, after those before it.
    type: int
    default: 300
seealso:
  - plugin: kateskit.klubster.layer_sets
    plugin_type: filter
"""

EXAMPLES = r"""
---
- name: Keep a namespace and its settings
  kateskit.klubster.cluster_objects:
    kubeconfig: ~/.kube/klubster-home.yaml
    sets:
      - name: house
        definitions:
          - apiVersion: v1
            kind: Namespace
            metadata:
              name: house
          - apiVersion: v1
            kind: ConfigMap
            metadata:
              name: settings
              namespace: house
            data:
              colour: green

- name: Wait until the cluster's DNS is up
  kateskit.klubster.cluster_objects:
    kubeconfig: ~/.kube/klubster-home.yaml
    sets:
      - name: dns
        wait_for:
          - api_version: apps/v1
            kind: Deployment
            namespace: kube-system
            name: coredns

- name: Remove the set again
  kateskit.klubster.cluster_objects:
    kubeconfig: ~/.kube/klubster-home.yaml
    sets:
      - name: house
        state: absent
"""

RETURN = r"""
sets:
  description: What became of each set; in check mode, what would.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the set.
      type: str
    created:
      description: Objects that were made.
      type: list
      elements: str
    updated:
      description: Objects that were changed.
      type: list
      elements: str
    removed:
      description: Objects that were removed.
      type: list
      elements: str
    unchanged:
      description: How many objects were as they should be.
      type: int
    not_ready:
      description: What check mode found not ready, with the reason. Without check mode it was waited for.
      type: list
      elements: str
    settled:
      description: Whether nothing differed and nothing was not ready.
      type: bool
  sample:
    - name: load-balancer
      created: []
      updated: [IPAddressPool metallb-system/house]
      removed: [IPAddressPool metallb-system/attic, L2Advertisement metallb-system/attic]
      unchanged: 27
      not_ready: []
      settled: false
waited:
  description: Seconds spent waiting.
  returned: success
  type: float
  sample: 3.2
waited_for:
  description: What was missing at the end of each wait of a second or more, with the reason and the seconds.
  returned: success
  type: list
  elements: str
  sample: ["3.1 s: DaemonSet metallb-system/speaker: 2 of 3 pods are ready"]
no_cluster:
  description: Why the cluster could not be asked; empty when it was.
  returned: in check mode
  type: str
  sample: There is no kubeconfig /root/.kube/klubster-home.yaml. It is written when the cluster is made.
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.apply import Applier, would_create
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.client import (
    HAS_KUBERNETES,
    KUBERNETES_IMPORT_ERROR,
    KubeconfigMissing,
    KubernetesService,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.service import Unreachable
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.sets import (
    ARGUMENT,
    SECRET_VALUES,
    Options,
    Report,
    parse_sets,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError


def run(params: t.Mapping[str, t.Any], *, check: bool) -> dict[str, t.Any]:
    """The module without its shell."""
    sets = parse_sets(params["sets"], params["secret_values"])
    options = Options(
        check=check,
        prune=params["prune"],
        wait=params["wait"],
        begin=params["begin"],
        timeout=params["timeout"],
    )
    report: Report
    try:
        service = KubernetesService(params["kubeconfig"], server=params["server"] or "")
        report = Applier(service, sets, options).run()
    except (KubeconfigMissing, Unreachable) as exc:
        if not check:
            raise
        report = would_create(sets, str(exc))
    result: dict[str, t.Any] = {
        "changed": report.changed,
        "sets": report.as_sets(sets),
        "waited": round(report.waited, 2),
        "waited_for": [f"{seconds:.1f} s: {what}" for seconds, what in report.last if seconds >= 1],
        "diff": report.as_diff(),
    }
    if check:
        result["no_cluster"] = report.no_cluster
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "kubeconfig": {"type": "path", "required": True},
            "server": {"type": "str"},
            "sets": ARGUMENT,
            "secret_values": SECRET_VALUES,
            "prune": {"type": "bool", "default": True},
            "begin": {"type": "bool", "default": False},
            "wait": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    if not HAS_KUBERNETES:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=KUBERNETES_IMPORT_ERROR)
    try:
        result = run(module.params, check=module.check_mode)
    except KlubsterError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
