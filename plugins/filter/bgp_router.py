# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: bgp_router
short_description: The part of a router's model that hears a cluster
version_added: "0.1.0"
description:
  - Turns the plan of M(kateskit.klubster.cluster_plan) into what one of its BGP peers has to be told, so that both
    sides of a session come from one source.
  - That is the number of the autonomous system, the nodes as neighbours in a peer group C(klubster-NAME), prefix lists
    with what the pools may announce and nothing else, timers, BFD and ECMP.
  - The password is not in it. It is the peer group's.
author:
  - KatesKit developers (@kateskit)
positional: _input
options:
  _input:
    description: The plan.
    type: dict
    required: true
  peer:
    description: Name of the router among C(klubster_bgp.peers).
    type: str
    required: true
  asn:
    description: Number of the router's autonomous system, where the cluster leaves it to the session (C(dynamic_asn)).
    type: int
  listen:
    description: Networks from which nodes may come, instead of each node's address. Then nodes can come and go.
    type: list
    elements: str
    default: []
  over:
    description:
      - The rest of the router's model, laid over it entry by entry. What is said here wins.
    type: dict
    default: {}
seealso:
  - module: kateskit.klubster.cluster_plan
  - module: kateskit.klubster.frr_config
  - plugin: kateskit.klubster.vyos_commands
    plugin_type: filter
"""

EXAMPLES = r"""
---
- name: Make ROUTER2 hear the cluster
  kateskit.klubster.frr_config:
    router: "{{ klubster_plan | kateskit.klubster.bgp_router(peer='router2', over=rest) }}"
    passwords:
      klubster-home: "{{ klubster_bgp_passwords.router2 }}"
  vars:
    rest:
      bgp:
        router_id: 10.10.0.2
        neighbors:
          172.30.0.3: {remote_as: 65020, ipv4: {}}
"""

RETURN = r"""
_value:
  description: A model of a router, for O(kateskit.klubster.frr_config#module:router).
  type: dict
  sample:
    prefix_lists:
      klubster-home-in: [{prefix: 203.0.113.0/24, ge: 32, le: 32}]
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.manifests import merged
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.module_utils._router.cluster import router_data
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain


def bgp_router(
    plan: t.Any, *, peer: t.Any, asn: t.Any = None, listen: t.Any = (), over: t.Any = None
) -> dict[str, t.Any]:
    """The model, from Ansible's values."""
    try:
        found = router_data(plain(plan), plain(peer), asn=plain(asn), listen=plain(listen))
    except KlubsterError as exc:
        raise AnsibleFilterError(str(exc)) from exc
    return merged(found, plain(over) or {})


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"bgp_router": bgp_router}
