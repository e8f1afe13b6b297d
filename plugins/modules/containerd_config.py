#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: containerd_config
short_description: Configure containerd and keep its service running
version_added: "0.1.0"
description:
  - Writes containerd's C(config.toml) from data, and its unit, and starts the service.
  - The service is restarted when its configuration, its unit or one of its programs differs from what it was last
    started with, and only then. Containers go on meanwhile.
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
  engine:
    description: The engine for which containerd runs; it says where things are.
    type: str
    default: kubeadm
    choices: [kubeadm]
  sandbox_image:
    description: Reference of the image that holds a pod's namespaces. It is never pulled.
    type: str
    required: true
  cgroup_driver:
    description: Who makes cgroups. It must be what kubelet does.
    type: str
    default: systemd
    choices: [systemd, cgroupfs]
  lower_oom_score:
    description: Whether the machine may lower oom_score_adj.
    type: bool
    default: true
  settings:
    description: Entries laid over those of this collection, by containerd's own names.
    type: dict
    default: {}
"""

EXAMPLES = r"""
---
- name: Run containerd with a mirror's configuration folder
  kateskit.klubster.containerd_config:
    sandbox_image: bundle.klubster.internal/pause:3.10.1
    settings:
      plugins:
        io.containerd.cri.v1.images:
          registry:
            config_path: /etc/containerd/certs.d
"""

RETURN = r"""
service:
  description: What was done with the service or, in check mode, would be; empty when it runs as it shall.
  returned: success
  type: str
  sample: restart
paths:
  description: Files that changed.
  returned: success
  type: list
  elements: str
  sample: [/etc/containerd/config.toml]
"""


from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kateskit.klubster.plugins.module_utils._command import run
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import containerd
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layout import BUNDLED
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.service_set import settle
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.units import (
    containerd_files,
    containerd_service,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError, reason
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import Record, locked


def main() -> None:
    module = AnsibleModule(
        {
            "engine": {"type": "str", "default": "kubeadm", "choices": ["kubeadm"]},
            "sandbox_image": {"type": "str", "required": True},
            "cgroup_driver": {"type": "str", "default": "systemd", "choices": ["systemd", "cgroupfs"]},
            "lower_oom_score": {"type": "bool", "default": True},
            "settings": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    given = module.params
    layout = BUNDLED[given["engine"]]
    lower = given["lower_oom_score"]
    try:
        text = containerd.render(
            containerd.config(
                sandbox_image=given["sandbox_image"],
                systemd_cgroup=given["cgroup_driver"] == "systemd",
                lower_oom_score=lower,
                settings=given["settings"],
            )
        )
        if not module.check_mode:
            with locked():
                # Before containerd fills them.
                Record.load().note_data(layout.data, layout.incidental)
        files = containerd_files(layout, text, lower_oom_score=lower)
        done = settle("containerd", files, containerd_service(layout, files), run, check=module.check_mode)
    except (KlubsterError, OSError) as exc:
        module.fail_json(msg=reason(exc))
    module.exit_json(**done.as_result())


if __name__ == "__main__":
    main()
