#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: managed_files
short_description: Keep a set of small files as they shall be
version_added: "0.1.0"
description:
  - Puts any number of small files, or marked blocks inside files of others, in place with one call.
  - Files that left the set since the last call are removed. What stood in their place before comes back.
  - The record of all this is C(/var/lib/klubster/installed.json); M(kateskit.klubster.node_reset) works from it.
author:
  - KatesKit developers (@kateskit)
extends_documentation_fragment:
  - kateskit.klubster._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - The content of a secret file is never shown.
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
options:
  set:
    description: Name of the set.
    type: str
    required: true
  files:
    description: The whole set.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path.
        type: str
        required: true
      content:
        description: The whole file, or the lines inside the block. With a secret in it, use C(no_log) on the task.
        type: str
        required: true
      mode:
        description: Octal permission bits, in quotes.
        type: str
        default: "0644"
      owner:
        description: User by name or number.
        type: str
        default: root
      group:
        description: Group by name or number.
        type: str
        default: root
      block:
        description: Name of a marked block. The rest of the file is not touched, nor are its mode and owner.
        type: str
      secret:
        description: Whether the content is kept out of the diff.
        type: bool
        default: false
  prune:
    description: Whether files that left the set are removed.
    type: bool
    default: true
"""

EXAMPLES = r"""
---
- name: Keep two files and a block in a third
  kateskit.klubster.managed_files:
    set: example
    files:
      - path: /etc/klubster/one.conf
        content: "one\n"
      - path: /etc/klubster/key
        content: "{{ example_key }}"
        mode: "0600"
        secret: true
      - path: /etc/hosts
        block: example
        content: "192.0.2.11 server1\n"
  no_log: true
"""

RETURN = r"""
paths:
  description: Files that changed or, in check mode, would change.
  returned: success
  type: list
  elements: str
  sample: [/etc/klubster/one.conf]
"""


from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError, reason
from ansible_collections.kateskit.klubster.plugins.module_utils._node.managed_files import (
    WantedFile,
    apply,
    describe,
    plan,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import Record, locked


def main() -> None:
    module = AnsibleModule(
        {
            "set": {"type": "str", "required": True},
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "path": {"type": "str", "required": True},
                    "content": {"type": "str", "required": True},
                    "mode": {"type": "str", "default": "0644"},
                    "owner": {"type": "str", "default": "root"},
                    "group": {"type": "str", "default": "root"},
                    "block": {"type": "str"},
                    "secret": {"type": "bool", "default": False, "no_log": False},
                },
            },
            "prune": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    name, prune = module.params["set"], module.params["prune"]
    try:
        wanted = [WantedFile.parse(entry, position) for position, entry in enumerate(module.params["files"])]
        if module.check_mode:
            changes = plan(wanted, name, Record.load(), prune=prune)
        else:
            with locked():
                record = Record.load()
                changes = plan(wanted, name, record, prune=prune)
                apply(wanted, changes, name, record)
    except (KlubsterError, OSError) as exc:
        module.fail_json(msg=reason(exc))
    module.exit_json(changed=bool(changes), paths=[change.path for change in changes], diff=describe(changes))


if __name__ == "__main__":
    main()
