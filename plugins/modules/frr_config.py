#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: frr_config
short_description: Make FRR on this machine the router that a model describes
version_added: "0.1.0"
description:
  - Compares the running configuration of FRR with a model of a router and changes what differs, in the parts that the
    model has. A part that the model leaves out is not looked at.
  - FRR's own parser reads the new configuration first. C(frr-reload.py) then sends the difference only, so sessions
    whose settings stay are not reset.
  - Afterwards the running configuration and the sessions are looked at again. Where something is missing, the old
    configuration is put back, and the module fails.
  - FRR and its Python tools (C(frr-pythontools)) have to be installed.
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
      - V(present) makes the machine what O(router) says.
      - V(gathered) changes nothing and returns what the machine is, in the words of the model.
    type: str
    default: present
    choices: [present, gathered]
  router:
    description:
      - The model. Its parts are C(forwarding), C(interfaces), C(static_routes), C(prefix_lists), C(community_lists),
        C(large_community_lists), C(as_path_lists), C(route_maps), C(bfd_profiles) and C(bgp).
      - C(nat), C(firewall), C(dns), C(dhcp) and C(vrrp) are checked and left to M(kateskit.klubster.router_services).
      - A part that is there is ours whole, so what is on the router and not in it goes away. Of C(interfaces) only
        those that it names are.
      - Required for O(state=present).
    type: dict
  passwords:
    description: Passwords of neighbours and peer groups, by their names.
    type: dict
    default: {}
  foreign:
    description:
      - By part, names in it that belong to somebody else and stay as they are.
      - Not of C(dhcp) and C(vrrp), whose files are ours alone on this machine.
    type: dict
    default: {}
  sessions:
    description:
      - Which BGP sessions have to be up afterwards, else the change is taken back.
      - V(others) are those that were up and whose own settings did not change.
      - V(all) are all that the model has and that are not shut down.
    type: str
    default: others
    choices: [others, all, none]
  timeout:
    description: Seconds that these sessions have to come up.
    type: int
    default: 30
seealso:
  - module: kateskit.klubster.bgp_session_info
  - module: kateskit.klubster.router_services
"""

EXAMPLES = r"""
---
- name: Take routes to services from the nodes of a cluster
  kateskit.klubster.frr_config:
    router:
      prefix_lists:
        services:
          - {prefix: 203.0.113.0/24, ge: 32, le: 32}
      bgp:
        asn: 65010
        router_id: 10.10.0.2
        peer_groups:
          nodes:
            remote_as: 65001
            bfd: true
            ipv4: {prefix_list_in: services, maximum_prefix: 100}
        listen:
          10.10.0.0/24: {peer_group: nodes}
        ipv4: {paths: 8}
    passwords:
      nodes: "{{ nodes_password }}"

- name: Read what a router does
  kateskit.klubster.frr_config:
    state: gathered
  register: __router
"""

RETURN = r"""
missing:
  description: Whether FRR has to be installed first; then nothing else was done.
  returned: success
  type: bool
gathered:
  description: The running configuration as O(router) takes it, without passwords.
  returned: O(state=gathered)
  type: dict
  sample: {bgp: {asn: 65010, router_id: 10.10.0.2}}
with_password:
  description: Names of neighbours and peer groups that have a password.
  returned: O(state=gathered)
  type: list
  elements: str
  sample: [nodes]
strange:
  description: Lines in our parts that the model has no words for.
  returned: O(state=gathered)
  type: list
  elements: str
  sample: ["router bgp 65010 / bgp cluster-id 1.2.3.4"]
sessions_reset:
  description: Neighbours whose sessions ended by the change.
  returned: O(state=present), outside check mode
  type: list
  elements: str
  sample: []
backup:
  description: The file with the configuration from before; empty when the configuration did not change.
  returned: O(state=present), outside check mode
  type: str
  sample: /etc/frr/frr.conf.before
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kateskit.klubster.plugins.module_utils._command import run
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError, reason
from ansible_collections.kateskit.klubster.plugins.module_utils._router import frr, frr_apply, frr_text, services
from ansible_collections.kateskit.klubster.plugins.module_utils._router.frr_device import Frr
from ansible_collections.kateskit.klubster.plugins.module_utils._router.parse import dump, parse


def _gathered(device: Frr) -> dict[str, t.Any]:
    runs, dummy = device.state()
    found = frr.gather(frr_text.parse(device.running() if runs else device.saved()))
    router = parse(found.data, found.passwords)[0]
    return {
        "changed": False,
        "gathered": dump(router),
        "with_password": sorted(found.passwords),
        "strange": list(found.strange),
    }


def _made(device: Frr, given: t.Mapping[str, t.Any], *, check: bool) -> dict[str, t.Any]:
    router, foreign = parse(given["router"], given["passwords"], given["foreign"], root="router")
    services.refuse_foreign(foreign)
    planned = frr_apply.plan(router, foreign, device)
    result: dict[str, t.Any] = {"changed": planned.changed, "diff": frr_apply.shown(planned)}
    if not check:
        done = frr_apply.Done()
        if planned.changed:
            watched = {"watched": given["sessions"], "timeout": given["timeout"]}
            done = frr_apply.Change(planned, (router, foreign), device, **watched).apply()
        result |= {"sessions_reset": list(done.reset), "backup": done.backup}
    return result


def main() -> None:
    module = AnsibleModule(
        {
            "state": {"type": "str", "default": "present", "choices": ["present", "gathered"]},
            "router": {"type": "dict"},
            "passwords": {"type": "dict", "default": {}, "no_log": True},
            "foreign": {"type": "dict", "default": {}},
            "sessions": {"type": "str", "default": "others", "choices": list(frr_apply.WATCHED)},
            "timeout": {"type": "int", "default": 30},
        },
        required_if=[("state", "present", ["router"])],
        supports_check_mode=True,
    )
    device = Frr(run)
    result: dict[str, t.Any] = {"changed": module.params["state"] == "present", "missing": True}
    try:
        if device.installed():
            if module.params["state"] == "gathered":
                result = _gathered(device)
            else:
                result = _made(device, module.params, check=module.check_mode)
            result["missing"] = False
    except (KlubsterError, OSError) as exc:
        module.fail_json(msg=reason(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
