#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: keepalived_config
short_description: Let an address move between the servers of a cluster
version_added: "0.1.0"
description:
  - Writes a configuration and a unit of its own for keepalived and keeps that running on this server. The first server
    whose API takes connections has the address.
  - Servers speak to each other directly (unicast), so no other VRRP is disturbed.
  - A keepalived that runs for something else is not touched. What M(kateskit.klubster.kube_vip_config) put there goes,
    and keepalived starts once the address is free on this server.
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
  address:
    description: The address that moves.
    type: str
    required: true
  port:
    description: TCP port of the API.
    type: int
    default: 6443
  own:
    description: This server's own address.
    type: str
    required: true
  servers:
    description: Addresses of all servers, this one's too. An earlier one is preferred.
    type: list
    elements: str
    required: true
  vrrp_id:
    description: Number of the group, 1 to 255. No other VRRP in the network may have it.
    type: int
    required: true
seealso:
  - module: kateskit.klubster.kube_vip_config
"""

EXAMPLES = r"""
---
- name: Let the API's address move
  kateskit.klubster.keepalived_config:
    address: 192.0.2.10
    own: 192.0.2.11
    servers: [192.0.2.11, 192.0.2.12, 192.0.2.13]
    vrrp_id: 77
"""

RETURN = r"""
missing:
  description: Whether keepalived has to be installed first; then nothing else was done.
  returned: success
  type: bool
service:
  description: What was done with the service or, in check mode, would be; empty when it runs as it shall.
  returned: when keepalived is installed
  type: str
  sample: restart
awaited:
  description:
    - Whether the address is on its way, because it was taken from kube-vip and the cluster lives; never in check mode.
  returned: when keepalived is installed
  type: bool
paths:
  description: Files that changed.
  returned: when keepalived is installed
  type: list
  elements: str
  sample: [/etc/klubster/keepalived.conf]
"""

import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kateskit.klubster.plugins.module_utils._command import run
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import api_address, kube_vip
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.service_set import settle
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError, reason
from ansible_collections.kateskit.klubster.plugins.module_utils._node import keepalived


def main() -> None:
    module = AnsibleModule(
        {
            "address": {"type": "str", "required": True},
            "port": {"type": "int", "default": 6443},
            "own": {"type": "str", "required": True},
            "servers": {"type": "list", "elements": "str", "required": True},
            "vrrp_id": {"type": "int", "required": True},
        },
        supports_check_mode=True,
    )
    result: dict[str, t.Any] = {"changed": True, "missing": True}
    try:
        if Path(keepalived.PROGRAM).exists():
            files = keepalived.files(keepalived.moving_of(module.params, run))
            free = api_address.freed(module.params["address"], run)
            service = keepalived.service(files)
            done = settle(api_address.NAME, files, service, run, check=module.check_mode, between=free)
            result = done.as_result() | {"missing": False}
            taken = kube_vip.POD in result["paths"] and not module.check_mode
            result["awaited"] = taken and api_address.lives(run)
    except (KlubsterError, OSError) as exc:
        module.fail_json(msg=reason(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
