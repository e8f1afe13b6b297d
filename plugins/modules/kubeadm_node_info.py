#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeadm_node_info
short_description: See what a machine is to a cluster by kubeadm, and what it lacks
version_added: "0.1.0"
description:
  - Looks at all that M(kateskit.klubster.verified_install), M(kateskit.klubster.containerd_config),
    M(kateskit.klubster.container_images) and M(kateskit.klubster.kubeadm_node) would bring to the machine, in one step,
    so that they need not run where nothing is lacking.
author:
  - KatesKit developers (@kateskit)
extends_documentation_fragment:
  - kateskit.klubster._attributes
  - kateskit.klubster._attributes.info_module
  - kateskit.klubster._image_archives
  - kateskit.klubster._kubeadm
attributes:
  platform:
    support: full
    platforms: posix
options:
  install_set:
    description: Name of the set of programs, as O(kateskit.klubster.verified_install#module:set) has it.
    type: str
    required: true
  programs:
    description: As O(kateskit.klubster.verified_install#module:files).
    type: list
    elements: dict
    default: []
    suboptions:
      source:
        description: Path inside the bundle.
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
        description: As O(kateskit.klubster.verified_install#module:files[].sums); not for files of a bundle.
        type: path
  image_names:
    description: Images by their names in the bundle, as O(kateskit.klubster.container_images#module:names).
    type: list
    elements: str
    default: []
  archives:
    description: Filled in on the controller from O(image_names) and O(image_archives).
    type: list
    elements: dict
    default: []
    suboptions:
      source:
        description: Path inside the bundle.
        type: str
        required: true
      reference:
        description: Reference of the image, for an archive of the bundle.
        type: str
        default: ""
      holds:
        description: References of the images in an archive of the user's own, and what each stands for.
        type: dict
        default: {}
      sha256:
        description: Of the archive.
        type: str
        required: true
      size:
        description: Of the archive, in bytes.
        type: int
        required: true
  sandbox_image:
    description: As O(kateskit.klubster.containerd_config#module:sandbox_image).
    type: str
    required: true
  cgroup_driver:
    description: As O(kateskit.klubster.containerd_config#module:cgroup_driver).
    type: str
    default: systemd
    choices: [systemd, cgroupfs]
  lower_oom_score:
    description: As O(kateskit.klubster.containerd_config#module:lower_oom_score).
    type: bool
    default: true
seealso:
  - module: kateskit.klubster.kubeadm_node
"""

EXAMPLES = r"""
---
- name: See what the machine is
  kateskit.klubster.kubeadm_node_info:
    cluster: home
    version: 1.34.2
    node: {node_name: server1, role: server, address: 192.0.2.11}
    api: {name: api.home.internal, port: 6443, address: 192.0.2.11, url: "https://192.0.2.11:6443"}
    networks:
      pod: [10.244.0.0/16]
      service: [10.96.0.0/16]
      dns_domain: cluster.local
      dns_address: 10.96.0.10
    bundle_dir: ~/.cache/klubster/bundles/0123456789abcdef
    install_set: engine
    programs:
      - source: bin/kubelet
        path: /usr/local/bin/kubelet
    image_names: [pause, coredns]
    sandbox_image: bundle.klubster.internal/pause:3.10.1
  register: node
"""

RETURN = r"""
lacking:
  description: What is not as it shall be; nothing when the machine is settled.
  returned: success
  type: list
  elements: str
  choices: [programs, containerd, images, kubelet, node]
  sample: [kubelet]
node:
  description: What the machine is.
  returned: success
  type: dict
  sample:
    phase: complete
    api_ready: true
    ca_hash: "sha256:0123"
    kube_proxy: 0f3a
    node_differs: false
    node_name: server1
machine:
  description: The option O(node), for those who read the results of all machines.
  returned: success
  type: dict
  sample: {node_name: server1, role: server, address: 192.0.2.11}
kubeconfig_sha256:
  description:
    - Of the administrator's kubeconfig, as M(kateskit.klubster.admin_kubeconfig) would write it from this server's
      credentials; empty where there are none.
  returned: success
  type: str
  sample: 0f3a
change:
  description:
    - What bringing it means. V(none), V(live) when nothing that runs notices, V(restart) when a service starts
      anew and pods stay, V(drain) when pods have to go elsewhere first.
  returned: success
  type: str
  sample: none
kube_proxy_wanted:
  description: Digest of the wanted kube-proxy configuration, to compare with that of a live server.
  returned: success
  type: str
  sample: 0f3a
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import kubeadm_look
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError


def main() -> None:
    module = AnsibleModule(kubeadm_look.ARGUMENTS, supports_check_mode=True)
    try:
        result = kubeadm_look.look(module.params)
    except KlubsterError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
