#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: router_services
short_description: Make NAT, firewall, DNS, DHCP and VRRP of this machine what a model describes
version_added: "0.1.0"
description:
  - Compares what the kernel and our files say with a model of a router and changes what differs, in the parts C(nat),
    C(firewall), C(dns), C(dhcp) and C(vrrp). A part that is empty goes, with its rules, files and units; O(left_out)
    says what becomes of one that the model leaves out.
  - Rules are tables of nftables of our own, replaced in one step; C(nft) looks at them first. Tables of others are not
    touched.
  - Names and addresses are given out by processes of dnsmasq, addresses are shared by one of keepalived, each with a
    unit and a file of its own. They read their file first; one that does not stay up gets its old file back, and the
    module fails.
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
      - V(confirmed) keeps rules that were loaded with O(confirm). Call it over a new connection.
    type: str
    default: present
    choices: [present, gathered, confirmed]
  router:
    description:
      - The model, as O(kateskit.klubster.frr_config#module:router) takes it; other parts are checked and left alone.
      - Required for O(state=present).
    type: dict
  foreign:
    description:
      - By part, names that belong to somebody else, as O(kateskit.klubster.frr_config#module:foreign) takes them. Other
        parts of O(router) may use them.
      - Not of C(dhcp) and C(vrrp), whose files are ours alone on this machine.
    type: dict
    default: {}
  left_out:
    description:
      - What becomes of our rules, files and units of a part that O(router) leaves out.
      - V(kept) does not look at them.
      - V(removed) takes them away, as if the part were empty. A O(router) without any part takes nothing away.
    type: str
    default: kept
    choices: [kept, removed]
  confirm:
    description:
      - Seconds after which new rules go again unless O(state=confirmed) comes first, so that a rule that locks
        everybody out does not stay. V(0) keeps them at once.
    type: int
    default: 0
  sessions:
    description:
      - Which BGP sessions of FRR on this machine new rules may not cut; when they do, everything is taken back at once.
      - V(others) and V(all) are those that were up. FRR asks their neighbours for their routes again, and what it sent
        has to be acknowledged.
    type: str
    default: others
    choices: [others, all, none]
  timeout:
    description: Seconds in which that has to happen, but at most half of O(confirm).
    type: int
    default: 30
seealso:
  - module: kateskit.klubster.frr_config
"""

EXAMPLES = r"""
---
- name: Let a network behind this machine out by one address
  kateskit.klubster.router_services:
    router:
      nat:
        source:
          - {interface: eth1, source: 10.10.0.0/24, translation: masquerade}

- name: Read what the machine does
  kateskit.klubster.router_services:
    state: gathered
  register: __services
"""

RETURN = r"""
missing:
  description: Packages that have to be installed first; when there are some, nothing else was done.
  returned: O(state=present)
  type: list
  elements: str
  sample: [dnsmasq-base]
pending:
  description: Whether the rules have to be confirmed.
  returned: O(state=present)
  type: bool
restarted:
  description: Parts whose programs were restarted or, in check mode, would be.
  returned: O(state=present), when nothing is missing
  type: list
  elements: str
  sample: [dns]
gathered:
  description: What the machine is, as O(router) takes it.
  returned: O(state=gathered)
  type: dict
  sample: {nat: {source: [{interface: eth1, seq: 10, translation: masquerade}]}}
strange:
  description: What the model has no words for, in our tables and files.
  returned: O(state=gathered)
  type: list
  elements: str
  sample: []
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kateskit.klubster.plugins.module_utils._command import run
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError, reason
from ansible_collections.kateskit.klubster.plugins.module_utils._router import services, services_apply
from ansible_collections.kateskit.klubster.plugins.module_utils._router.frr_apply import WATCHED
from ansible_collections.kateskit.klubster.plugins.module_utils._router.frr_device import Frr
from ansible_collections.kateskit.klubster.plugins.module_utils._router.live_sessions import Sessions
from ansible_collections.kateskit.klubster.plugins.module_utils._router.parse import dump, parse
from ansible_collections.kateskit.klubster.plugins.module_utils._router.services_device import Services, ServicesError


def _made(device: Services, given: t.Mapping[str, t.Any], *, check: bool) -> dict[str, t.Any]:
    router, foreign = parse(given["router"], foreign=given["foreign"], root="router")
    services.refuse_foreign(foreign)
    missing = services_apply.missing(router, device)
    if missing:
        return {"changed": True, "missing": missing, "pending": False}
    planned = services_apply.plan(router, device, given["left_out"])
    pending = False
    if planned.changed and not check:
        sessions = None if given["sessions"] == "none" else Sessions(Frr(run))
        watched: dict[str, t.Any] = {"sessions": sessions, "timeout": given["timeout"]}
        pending = services_apply.Change(planned, device, confirm=given["confirm"], **watched).apply()
    return {
        "changed": planned.changed,
        "missing": [],
        "pending": pending,
        "restarted": [one.part for one in planned.programs if one.restart],
        "diff": services_apply.shown(planned),
    }


def _confirmed(device: Services, *, check: bool) -> dict[str, t.Any]:
    armed = device.armed()
    if not armed:
        raise ServicesError("Nothing waits to be confirmed: the time was over, and the old rules are back.")
    if not check:
        device.disarm()
    return {"changed": armed}


def main() -> None:
    module = AnsibleModule(
        {
            "state": {"type": "str", "default": "present", "choices": ["present", "gathered", "confirmed"]},
            "router": {"type": "dict"},
            "foreign": {"type": "dict", "default": {}},
            "left_out": {"type": "str", "default": "kept", "choices": list(services_apply.LEFT_OUT)},
            "confirm": {"type": "int", "default": 0},
            "sessions": {"type": "str", "default": "others", "choices": list(WATCHED)},
            "timeout": {"type": "int", "default": 30},
        },
        required_if=[("state", "present", ["router"])],
        supports_check_mode=True,
    )
    device = Services(run)
    try:
        if module.params["state"] == "gathered":
            router, found = services_apply.gathered(device)
            result: dict[str, t.Any] = {"changed": False, "gathered": dump(router), "strange": list(found.strange)}
        elif module.params["state"] == "confirmed":
            result = _confirmed(device, check=module.check_mode)
        else:
            result = _made(device, module.params, check=module.check_mode)
    except (KlubsterError, OSError) as exc:
        module.fail_json(msg=reason(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
