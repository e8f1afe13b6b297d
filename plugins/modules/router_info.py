#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: router_info
short_description: What a router knows, what it was told, and why a session is down
version_added: "0.1.0"
description:
  - Looks once at a machine with FRR for its BGP sessions and routes, the configuration that they depend on, and what
    the kernel saw of neighbours that have no session.
  - M(kateskit.klubster.cluster_status) compares the looks at both sides of a session and names the cause.
  - The only thing that leaves the machine is an echo request to each neighbour without a session.
author:
  - KatesKit developers (@kateskit)
extends_documentation_fragment:
  - kateskit.klubster._attributes
  - kateskit.klubster._attributes.info_module
attributes:
  platform:
    support: full
    platforms: posix
options: {}
seealso:
  - module: kateskit.klubster.bgp_session_info
  - module: kateskit.klubster.cluster_status
"""

EXAMPLES = r"""
---
- name: Look at the router
  kateskit.klubster.router_info:
  register: router
"""

RETURN = r"""
look:
  description: What was seen.
  returned: success
  type: dict
  contains:
    frr:
      description: V(runs), V(stopped) or V(missing).
      type: str
    addresses:
      description: The machine's own, with the lengths of their networks.
      type: list
      elements: str
    router:
      description:
        - What FRR was told, as O(kateskit.klubster.frr_config#module:router) takes it, without passwords.
        - Only C(bgp), C(prefix_lists) and C(route_maps).
      type: dict
    with_password:
      description: Names of neighbours and peer groups that have a password.
      type: list
      elements: str
    strange:
      description: Lines that the model has no words for.
      type: list
      elements: str
    sessions:
      description: As RV(kateskit.klubster.bgp_session_info#module:sessions).
      type: list
      elements: dict
    routes:
      description: As RV(kateskit.klubster.bgp_session_info#module:routes).
      type: list
      elements: dict
    routes_read:
      description: Whether the routes were read. A router that received more than 20000 is spared that.
      type: bool
    unsigned:
      description: How many segments of TCP the kernel dropped for their signature, by what was wrong with it.
      type: dict
    unanswered:
      description: Neighbours that do not answer when the router opens a connection.
      type: list
      elements: str
    reached:
      description: Neighbours without a session that answer an echo request. Empty when nobody could ask.
      type: list
      elements: str
  sample:
    frr: runs
    addresses: [10.78.1.2/24, 198.51.100.2/24]
    with_password: [nodes]
    unsigned: {missing: 0, unexpected: 0, wrong: 12}
    unanswered: []
    reached: [10.78.1.21]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kateskit.klubster.plugins.module_utils._command import run
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError, reason
from ansible_collections.kateskit.klubster.plugins.module_utils._router.frr_device import Frr
from ansible_collections.kateskit.klubster.plugins.module_utils._router.look import as_data, look


def main() -> None:
    module = AnsibleModule({}, supports_check_mode=True)
    try:
        found = as_data(look(Frr(run), run))
    except (KlubsterError, OSError) as exc:
        module.fail_json(msg=reason(exc))
    module.exit_json(changed=False, look=found)


if __name__ == "__main__":
    main()
