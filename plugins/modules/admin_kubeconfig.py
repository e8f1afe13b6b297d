#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: admin_kubeconfig
short_description: Read, write or remove the administrator's kubeconfig
version_added: "0.1.0"
description:
  - Reads the credentials that kubeadm left on a server, and writes a kubeconfig for one cluster on another host,
    mode 0600.
  - A file that was not written by this module for the same cluster is neither overwritten nor removed.
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
      - Says what happens to the file. Its content is never shown.
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
options:
  state:
    description: What to do. V(read) returns the credentials of O(path), a kubeconfig of kubeadm's.
    type: str
    default: present
    choices: [present, absent, read]
  path:
    description: Path of the file.
    type: path
    required: true
  cluster:
    description: Name of the cluster. Needed but for V(state=read).
    type: str
  server:
    description: URL of the API.
    type: str
  credentials:
    description:
      - What V(state=read) returned on each server. The file is written from the first; one that was written from any of
        the others stays.
      - In check mode it may be empty, when there is no cluster yet.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
---
- name: Remove the kubeconfig of a cluster that is gone
  kateskit.klubster.admin_kubeconfig:
    state: absent
    cluster: home
    path: ~/.kube/klubster-home.yaml
"""

RETURN = r"""
credentials:
  description: Secrets of the administrator; empty when there is no such file.
  returned: O(state=read)
  type: dict
  sample: {}
"""

import typing as t
from dataclasses import asdict
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import kubeconfig
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError, reason


def main() -> None:
    module = AnsibleModule(
        {
            "state": {"type": "str", "default": "present", "choices": ["present", "absent", "read"]},
            "path": {"type": "path", "required": True},
            "cluster": {"type": "str"},
            "server": {"type": "str"},
            "credentials": {"type": "list", "elements": "dict", "default": [], "no_log": True},
        },
        required_if=[("state", "present", ["cluster", "server"]), ("state", "absent", ["cluster"])],
        supports_check_mode=True,
    )
    try:
        result = _perform(module.params, check=module.check_mode)
    except (KlubsterError, OSError) as exc:
        module.fail_json(msg=reason(exc))
    module.exit_json(**result)


def _perform(given: dict[str, t.Any], *, check: bool) -> dict[str, t.Any]:
    path, cluster = Path(given["path"]), given["cluster"]
    if given["state"] == "read":
        found = kubeconfig.read(path)
        return {"changed": False, "credentials": asdict(found) if found else {}}
    text = None
    if given["state"] == "present":
        credentials = [one for one in given["credentials"] if one]
        if not credentials and not check:
            raise kubeconfig.KubeconfigError(
                "No server has credentials: the cluster was not started. Run the engine layer first, without --check."
            )
        empty = {"ca": "", "certificate": "", "key": ""}
        made = (kubeconfig.Credentials(**one) for one in credentials or [empty])
        text = kubeconfig.chosen(path, [kubeconfig.render(cluster, given["server"], one) for one in made])
    action = kubeconfig.plan(path, cluster, text)
    if not check:
        kubeconfig.apply(path, action, text)
    diff = {"before": "", "after": f"{path}: {action}, content masked\n"} if action else {}
    return {"changed": bool(action), "diff": diff}


if __name__ == "__main__":
    main()
