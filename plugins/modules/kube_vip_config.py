#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_vip_config
short_description: Let an address move between the servers of a cluster by kube-vip
version_added: "0.1.0"
description:
  - Writes the file of kube-vip's pod into the folder from which the kubelet of k3s runs pods on this server. The server
    that has the lease has the address.
  - The file may be there before k3s is. The pod starts when k3s has started, so the address comes after that.
  - What M(kateskit.klubster.keepalived_config) put there is stopped and goes.
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
  state:
    description:
      - V(absent) takes away whatever this collection moved the address with here, kube-vip or keepalived.
    type: str
    default: present
    choices: [present, absent]
  address:
    description: The address that moves. Required with O(state=present).
    type: str
  port:
    description: TCP port of the API.
    type: int
    default: 6443
  own:
    description: This server's own address; kube-vip works on its interface. Required with O(state=present).
    type: str
  image:
    description: kube-vip's image, with a tag or a digest. Required with O(state=present).
    type: str
seealso:
  - module: kateskit.klubster.keepalived_config
"""

EXAMPLES = r"""
---
- name: Let the API's address move by a pod
  kateskit.klubster.kube_vip_config:
    address: 192.0.2.10
    own: 192.0.2.11
    image: ghcr.io/kube-vip/kube-vip:v1.1.2

- name: Leave the address alone from now on
  kateskit.klubster.kube_vip_config:
    state: absent
"""

RETURN = r"""
service:
  description: What was done with keepalived's service or, in check mode, would be; empty where it is not there.
  returned: success
  type: str
  sample: stop
awaited:
  description: Whether the address is on its way, because the cluster lives already; never in check mode.
  returned: success
  type: bool
paths:
  description: Files that changed.
  returned: success
  type: list
  elements: str
  sample: [/var/lib/rancher/k3s/agent/pod-manifests/kube-vip.yaml]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kateskit.klubster.plugins.module_utils._command import run
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import api_address, kube_vip
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError, reason


def main() -> None:
    module = AnsibleModule(
        {
            "state": {"type": "str", "default": "present", "choices": ["present", "absent"]},
            "address": {"type": "str"},
            "port": {"type": "int", "default": 6443},
            "own": {"type": "str"},
            "image": {"type": "str"},
        },
        required_if=[("state", "present", ["address", "own", "image"])],
        supports_check_mode=True,
    )
    try:
        wanted = kube_vip.files(kube_vip.pod_of(module.params, run)) if module.params["state"] == "present" else []
        done = api_address.settle(wanted, run, check=module.check_mode)
    except (KlubsterError, OSError) as exc:
        module.fail_json(msg=reason(exc))
    module.exit_json(**done.as_result())


if __name__ == "__main__":
    main()
