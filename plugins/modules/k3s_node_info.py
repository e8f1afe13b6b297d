#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: k3s_node_info
short_description: See what a machine is to a cluster by k3s, and what it lacks
version_added: "0.1.0"
description:
  - Looks at all that M(kateskit.klubster.verified_install) and M(kateskit.klubster.k3s_node) would bring to the
    machine, in one step, so that they need not run where nothing is lacking.
author:
  - KatesKit developers (@kateskit)
extends_documentation_fragment:
  - kateskit.klubster._attributes
  - kateskit.klubster._attributes.info_module
  - kateskit.klubster._image_archives
  - kateskit.klubster._k3s
attributes:
  platform:
    support: full
    platforms: posix
options:
  release_dir:
    description: As O(kateskit.klubster.verified_install#module:release_dir).
    type: path
  architecture:
    description: Of the machine; only the controller reads it.
    type: str
    default: amd64
  bundle_dir:
    description: Folder of the bundle on the controller, from which O(archives) come.
    type: path
  programs:
    description: Files of the release, as O(kateskit.klubster.verified_install#module:files).
    type: list
    elements: dict
    default: []
    suboptions: &file
      source:
        description: Path inside the folder on the controller.
        type: str
        required: true
      path:
        description: Absolute path on the machine.
        type: str
        required: true
      mode:
        description: Octal permission bits, in quotes.
        type: str
        default: "0755"
      sha256:
        description: Filled in on the controller.
        type: str
      size:
        description: Filled in on the controller.
        type: int
      sums:
        description: As O(kateskit.klubster.verified_install#module:files[].sums).
        type: path
  archives:
    description: Archives of images and their places, as O(programs); those of the bundle and of O(image_archives).
    type: list
    elements: dict
    default: []
    suboptions: *file
  nodes:
    description: All machines of the cluster, as the plan has them; a live server compares its Nodes with them.
    type: list
    elements: dict
    default: []
  ca_hash:
    description: Hash of the CA that the user wants, as tokens have it. A living cluster with another one says so.
    type: str
    default: ""
seealso:
  - module: kateskit.klubster.k3s_node
"""

EXAMPLES = r"""
---
- name: See what the machine is
  kateskit.klubster.k3s_node_info:
    cluster: home
    node: {node_name: server1, role: server, address: 192.0.2.11}
    api: {name: api.home.internal, port: 6443, address: 192.0.2.11, url: "https://192.0.2.11:6443"}
    release_dir: ~/k3s
    programs:
      - source: k3s
        path: /usr/local/bin/k3s
  register: node
"""

RETURN = r"""
lacking:
  description: What is not as it shall be; nothing when the machine is settled.
  returned: success
  type: list
  elements: str
  choices: [programs, images, config, node]
  sample: [config]
change:
  description: What changing it means for those who use the machine, as for M(kateskit.klubster.kubeadm_node_info).
  returned: success
  type: str
  choices: [none, live, restart, drain]
  sample: restart
node:
  description: What the machine is.
  returned: success
  type: dict
  sample:
    phase: complete
    api_ready: true
    ca_hash: "0123"
    node_name: server1
    refused: []
machine:
  description: The option O(node), for those who read the results of all machines.
  returned: success
  type: dict
  sample: {node_name: server1, role: server, address: 192.0.2.11}
strangers:
  description: Drop-ins of the configuration that are not ours. A warning names them, since k3s lets them win.
  returned: success
  type: list
  elements: str
  sample: []
kubeconfig_sha256:
  description:
    - Of the administrator's kubeconfig, as M(kateskit.klubster.admin_kubeconfig) would write it from this server's
      credentials; empty where there are none.
  returned: success
  type: str
  sample: 0f3a
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import k3s_look
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError


def main() -> None:
    module = AnsibleModule(k3s_look.ARGUMENTS, supports_check_mode=True)
    try:
        result = k3s_look.look(module.params)
    except KlubsterError as exc:
        module.fail_json(msg=str(exc))
    for path in result["strangers"]:
        module.warn(k3s_look.STRANGER.format(path=path))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
