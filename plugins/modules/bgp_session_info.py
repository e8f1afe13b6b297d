#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: bgp_session_info
short_description: What a router says of its BGP sessions and routes
version_added: "0.1.0"
description:
  - Reads the JSON of FRR on this machine; sessions with their state, what was exchanged, and why one is down.
  - Reads also what is in BGP's table, and over how many ways each prefix is reached.
author:
  - KatesKit developers (@kateskit)
extends_documentation_fragment:
  - kateskit.klubster._attributes
  - kateskit.klubster._attributes.info_module
attributes:
  platform:
    support: full
    platforms: posix
options:
  expected:
    description:
      - Neighbours that should be there, by their addresses. RV(lacking) names those without a session.
      - A neighbour that came by a listen range and went is in no table, so only a list of names finds it.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds to wait until all O(expected) sessions are up. The module does not fail when they are not.
    type: int
    default: 0
"""

EXAMPLES = r"""
---
- name: Look at the sessions with the nodes
  kateskit.klubster.bgp_session_info:
    expected: [10.10.0.11, 10.10.0.12]
    timeout: 30
  register: __bgp
  failed_when: __bgp.lacking | length > 0
"""

RETURN = r"""
sessions:
  description: One entry for each neighbour.
  returned: success
  type: list
  elements: dict
  sample:
    - neighbor: 10.10.0.11
      remote_as: 65001
      local_as: 65010
      state: Established
      established: true
      dynamic: true
      peer_group: nodes
      description: ""
      uptime: 120
      dropped: 0
      hold_time: 9
      bfd: up
      reason: ""
      code: ""
      notified_by: ""
      ipv4: {received: 2, sent: 1, policy: false}
      ipv6: null
routes:
  description: The prefixes in BGP's table, of both families.
  returned: success
  type: list
  elements: dict
  sample:
    - prefix: 203.0.113.10/32
      paths: 2
      width: 2
      next_hops: [10.10.0.11, 10.10.0.12]
      suppressed: false
      as_path: [65001]
lacking:
  description: Those of O(expected) with which there is no session.
  returned: success
  type: list
  elements: str
  sample: []
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kateskit.klubster.plugins.module_utils._command import run
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import (
    InvalidInput,
    KlubsterError,
    Problem,
    reason,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._model.rules import Refused
from ansible_collections.kateskit.klubster.plugins.module_utils._router import bgp_sessions, words
from ansible_collections.kateskit.klubster.plugins.module_utils._router.frr_device import Frr


def _expected(given: t.Sequence[str]) -> list[str]:
    found, problems = [], []
    for index, value in enumerate(given):
        try:
            found.append(words.address(value))
        except Refused as exc:
            problems.append(Problem(f"expected[{index}]", value, exc.rule, exc.remedy))
    if problems:
        raise InvalidInput(problems)
    return found


def _sessions(device: Frr) -> tuple[bgp_sessions.Session, ...]:
    bfd = device.json("show bfd peers")
    return bgp_sessions.sessions(
        device.json("show bgp summary"), device.json("show bgp neighbors"), bfd if isinstance(bfd, list) else ()
    )


def main() -> None:
    module = AnsibleModule(
        {
            "expected": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    device = Frr(run)
    result: dict[str, t.Any] = {}
    try:
        expected = _expected(module.params["expected"])
        lacking = device.until(
            lambda: bgp_sessions.not_established(_sessions(device), expected), module.params["timeout"]
        )
        tables = [device.json(f"show bgp {family} unicast") for family in ("ipv4", "ipv6")]
        routes = [route for table in tables for route in bgp_sessions.routes(table)]
        result = {
            "sessions": bgp_sessions.as_data(_sessions(device)),
            "routes": bgp_sessions.as_data(routes),
            "lacking": lacking,
        }
    except (KlubsterError, OSError) as exc:
        module.fail_json(msg=reason(exc))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
