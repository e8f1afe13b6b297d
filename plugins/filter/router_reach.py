# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: router_reach
short_description: What is wrong with how a router with VyOS is reached
version_added: "0.1.0"
description:
  - Looks at the variables that say how a VyOS is reached, before anything is asked of it.
  - Returns what is wrong, with variable, value, rule and remedy, and never the key.
author:
  - KatesKit developers (@kateskit)
positional: _input, api
options:
  _input:
    description:
      - C(router_connection), and as C(connection) and C(network_os) what C(ansible_connection) and
        C(ansible_network_os) are. The two may be empty where a play says how to connect.
      - With C(timeout) and C(confirm_minutes), which are C(router_timeout) and C(router_confirm_minutes), those have to
        fit to the time of O(api) for an answer.
    type: dict
    required: true
  api:
    description:
      - Settings as O(kateskit.klubster.vyos_router#module:api) takes them. What is told of them has the names of the
        role's variables.
    type: dict
    required: true
seealso:
  - module: kateskit.klubster.vyos_router
"""

EXAMPLES = r"""
---
- name: Refuse a router that cannot be reached
  ansible.builtin.assert:
    that: wrong | length == 0
    fail_msg: "{{ wrong | join(' ') }}"
  vars:
    wrong: "{{ {'router_connection': 'http_api'} | kateskit.klubster.router_reach({'host': 'router2', 'port': 443}) }}"
"""

RETURN = r"""
_value:
  description: What is wrong; nothing when all is well.
  type: list
  elements: str
  sample: ["router_api_key = None: The API wants a key, given once."]
"""

import typing as t

from ansible.module_utils.common.validation import check_type_bool, check_type_int
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain

#: what the module makes of texts, as they come by -e
_TYPES: dict[str, t.Callable[[t.Any], t.Any]] = {
    "confirm_minutes": check_type_int,
    "port": check_type_int,
    "timeout": check_type_int,
    "validate_certs": check_type_bool,
}


def router_reach(variables: t.Any, api: t.Any) -> list[str]:
    """What is wrong, from Ansible's values."""
    # Ansible reads every filter of a collection before the first one is called; this one is a seldom one, and large.
    from ansible_collections.kateskit.klubster.plugins.module_utils._router import vyos_https  # noqa: PLC0415

    try:
        vyos_https.refuse(_typed(plain(variables)), _typed(plain(api)))
    except InvalidInput as exc:
        return [str(problem) for problem in exc.problems]
    return []


def _typed(given: dict[str, t.Any]) -> dict[str, t.Any]:
    found = dict(given)
    for name, check in _TYPES.items():
        try:
            found[name] = check(given[name])
        except (KeyError, TypeError, ValueError):
            # What is none is told with the rest.
            continue
    return found


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"router_reach": router_reach}
