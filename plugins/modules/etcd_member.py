#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_member
short_description: Take a member out of etcd, if its quorum bears it
version_added: "0.1.0"
description:
  - Runs on a server of the cluster that stays, and speaks with etcd there.
  - Refuses when the members that stay and answer would be no majority. A member that does not answer may be taken out;
    its machine is not needed.
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
  name:
    description: Name of the member, which is that of its Node.
    type: str
    required: true
  address:
    description: Address of its machine, by which a member is known that was lost before it had a name.
    type: str
    default: ""
  state:
    description: V(removable) only looks whether it may go; V(absent) takes it out.
    type: str
    choices: [removable, absent]
    default: absent
  url:
    description: Where etcd is asked on this server. Without it, where the engine lets it answer in JSON.
    type: str
  engine:
    description: Whose certificates are used.
    type: str
    choices: [kubeadm, k3s]
    default: kubeadm
  port:
    description: Port of the API. Members of k3s answer in JSON on their own machine only, so their APIs are asked.
    type: int
    default: 6443
"""

EXAMPLES = r"""
---
- name: Forget a server that is gone for good
  kateskit.klubster.etcd_member:
    name: server3
"""

RETURN = r"""
members:
  description: Names of all members, before anything was done.
  returned: where the machine is a server and its etcd runs
  type: list
  elements: str
  sample: [server1, server2, server3]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import access, etcd
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layout import LAYOUTS
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError


def perform(service: etcd.Etcd, name: str, state: str, *, address: str = "", check: bool) -> dict[str, t.Any]:
    """The module without its shell."""
    members = service.members()
    names = [member.name for member in members]
    leaving = etcd.find(members, name, address)
    if leaving is None:
        return {"changed": False, "members": names}
    healthy = {member.id for member in members if service.healthy(member)}
    etcd.refuse_without_quorum(members, healthy, leaving)
    if state == "removable":
        return {"changed": False, "members": names}
    if not check:
        service.remove(leaving)
    after = [member.name for member in members if member != leaving]
    return {"changed": True, "members": names, "diff": {"before": {"members": names}, "after": {"members": after}}}


def main() -> None:
    module = AnsibleModule(
        {
            "name": {"type": "str", "required": True},
            "address": {"type": "str", "default": ""},
            "state": {"type": "str", "choices": ["removable", "absent"], "default": "absent"},
            "url": {"type": "str"},
            "engine": {"type": "str", "choices": sorted(LAYOUTS, reverse=True), "default": "kubeadm"},
            "port": {"type": "int", "default": 6443},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        result: dict[str, t.Any] = {"changed": False}
        if access.is_server(given["engine"]):
            service = access.etcd_of(given["engine"], given["port"], given["url"] or "")
            # Without an etcd of its own there is no member that could go.
            result["members"] = []
            if service is not None:
                how = {"address": given["address"], "check": module.check_mode}
                result = perform(service, given["name"], given["state"], **how)
    except etcd.EtcdStopped as exc:
        # It may not have joined yet; whether another server has answered, the role asks.
        module.warn(str(exc))
        result = {"changed": False}
    except (KlubsterError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
