#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: node_probe
short_description: Look at a machine that is, or is to be, a node
version_added: "0.1.0"
description:
  - Gathers in one call what this collection needs to know of a machine before it is changed.
  - Reads only. Nothing is installed, loaded or written.
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
  address:
    description: The machine's own address in the cluster, to be found on one of its interfaces.
    type: str
    default: ""
  paths:
    description: Folders whose file systems are looked at. They need not exist.
    type: list
    elements: str
    default: []
  features:
    description: Features of the kernel to look for. Without any, or when one of them is missing, all that are known.
    type: list
    elements: str
    default: []
  ports:
    description: TCP ports to look for programs that listen on them.
    type: list
    elements: int
    default: []
  peers:
    description: Other machines to connect to. An answer that nobody listens is an answer.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name for the results.
        type: str
        required: true
      address:
        description: IP address.
        type: str
        required: true
      ports:
        description: TCP ports.
        type: list
        elements: int
        required: true
  peer_timeout:
    description: Seconds for all connections together, which are made at the same time.
    type: float
    default: 5.0
  versions:
    description: Ask installed programs for their versions.
    type: bool
    default: false
  plan:
    description:
      - What M(kateskit.klubster.cluster_plan) returned. On the controller O(address), O(ports) and O(peers) are
        made of it, and O(paths) is cut to what a machine of this role uses.
    type: dict
  machine:
    description:
      - The options of M(kateskit.klubster.machine_settings) but O(kateskit.klubster.machine_settings#module:hosts).
      - With them and O(plan) the machine is compared with all that the layers would make of it; RV(layers) tells.
    type: dict
  secrets:
    description:
      - What the engine's files on the machine are made from and is not in O(plan), with the keys C(registries) and
        C(environment). It goes to the machine as one text, so that hiding it hides no other value that looks like a
        part of it.
    type: raw
  layers:
    description: Filled in on the controller from O(plan) and O(machine).
    type: dict
    default: {}
seealso:
  - module: kateskit.klubster.cluster_plan
  - module: kateskit.klubster.preflight_check
"""

EXAMPLES = r"""
---
- name: Look at the machines with the eyes of the plan
  kateskit.klubster.node_probe:
    plan: "{{ klubster_plan }}"
  register: probe

- name: Look at a folder and a port
  kateskit.klubster.node_probe:
    paths: [/var/lib/containerd]
    ports: [6443]
"""

RETURN = r"""
layers:
  description:
    - What each layer lacks on this machine, by the names of the layers. Of the engine, all that its own look says.
    - What could not be looked at lacks C(look), and says why as C(reason).
  returned: with O(machine)
  type: dict
  sample: {machine: {lacking: []}, kubeadm: {lacking: [kubelet], change: restart}}
clock:
  description: The machine's clock against the controller's, and how far that can be off, in seconds.
  returned: success
  type: dict
  sample: {offset: 0.02, uncertainty: 0.3}
time:
  description: The machine's clock, in seconds since 1970.
  returned: success
  type: float
  sample: 1795245749.9
hostname:
  description: The machine's own name.
  returned: success
  type: str
  sample: node1
machine_id:
  description: Content of C(/etc/machine-id).
  returned: success
  type: str
  sample: 3d1219c7c4c5404aaa1f6d2a48adfda4
product_uuid:
  description: Identity given by the firmware; empty in containers.
  returned: success
  type: str
  sample: 4c4c4544-0047-3010-8048-b9c04f463332
container:
  description: Kind of container that the machine is; empty for others.
  returned: success
  type: str
  sample: systemd-nspawn
architecture:
  description: Architecture as Go names it.
  returned: success
  type: str
  sample: arm64
distribution:
  description: What C(os-release) says.
  returned: success
  type: dict
  sample: {id: debian, like: "", version: "12", name: Debian GNU/Linux 12 (bookworm)}
python:
  description: Version of Python that this module ran with.
  returned: success
  type: str
  sample: 3.11.2
cpus:
  description: Number of processors.
  returned: success
  type: int
  sample: 4
memory_mib:
  description: Memory, or the limit of its control group where that is less.
  returned: success
  type: int
  sample: 8000
systemd:
  description: Whether the machine was booted with systemd.
  returned: success
  type: bool
  sample: true
cgroup:
  description: Version of control groups, and the controllers that can be used.
  returned: success
  type: dict
  sample: {version: 2, controllers: [cpu, cpuset, io, memory, pids]}
kernel:
  description: Release, and for each feature V(works), V(loadable), V(missing) or V(unknown).
  returned: success
  type: dict
  sample: {release: 6.1.0-18-amd64, features: {overlay: works, vxlan: loadable}}
file_systems:
  description: Room for each folder of O(paths).
  returned: success
  type: list
  elements: dict
  sample:
    - path: /var/lib/containerd
      at: /var/lib
      device: 65024
      size_mib: 30000
      free_mib: 20000
      inodes_free: 900000
      read_only: false
interfaces:
  description: Network interfaces but the loopback.
  returned: success
  type: list
  elements: dict
  sample:
    - {name: eth0, mac: "52:54:00:12:34:56", virtual: false, addresses: [192.168.1.11/24]}
default_route:
  description: Interface of the default route; empty when there is none.
  returned: success
  type: str
  sample: eth0
address_local:
  description: Whether O(address) is on one of the interfaces.
  returned: success
  type: bool
  sample: true
ports:
  description: Ports of O(ports) on which something listens, and the program.
  returned: success
  type: list
  elements: dict
  sample:
    - {port: 6443, program: kube-apiserver}
silent_peers:
  description: Ports of O(peers) from which nothing came back.
  returned: success
  type: list
  elements: dict
  sample:
    - {name: node1, address: 192.168.1.11, port: 6443, reason: no answer in 5 s}
swap:
  description: Devices and files that the machine swaps to.
  returned: success
  type: list
  elements: str
  sample: [/dev/sda2]
security:
  description: Frameworks that are active, and the firewall at work.
  returned: success
  type: dict
  sample: {selinux: disabled, k3s_policy: false, apparmor: true, firewall: none}
may_lower_oom_score:
  description: Whether programs may be protected from the out-of-memory killer.
  returned: success
  type: bool
  sample: true
raspberry_pi:
  description: Model, and the boot loader's file with the kernel command line; both empty on other machines.
  returned: success
  type: dict
  sample: {model: Raspberry Pi 4 Model B Rev 1.4, command_line: /boot/firmware/cmdline.txt}
missing_commands:
  description: Programs that a node uses and that were not found.
  returned: success
  type: list
  elements: str
  sample: [conntrack]
foreign:
  description: Other distributions of Kubernetes of which there are remains.
  returned: success
  type: list
  elements: str
  sample: [k3s]
installed:
  description: What this collection, or a kubeadm by hand, put on the machine, and the cluster it belongs to.
  returned: success
  type: dict
  sample:
    record: true
    files: {/usr/local/bin/kubelet: 4c1a0b3f}
    kubeadm: [/etc/kubernetes/kubelet.conf]
    api: "api.home.internal:6443"
    role: server
    version: 1.34.2
    markers: {kubeadm: home}
    versions: {kubelet: 1.34.2}
"""

import json
import platform
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.kateskit.klubster.plugins.module_utils._command import run
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_release import architecture
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layer_looks import (
    ENGINES,
    engine_look,
    layer_looks,
    warnings_of,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, KlubsterError
from ansible_collections.kateskit.klubster.plugins.module_utils._node.probe import Peer, Request, System, probe


def _architecture() -> str:
    """As a release names it; empty where there is no release for such a machine."""
    try:
        return architecture(platform.machine()).name
    except InvalidInput:
        return ""


def _completed(layers: dict[str, t.Any], secrets: str) -> dict[str, t.Any]:
    """The engine's options as its own module would have them: what is secret, this architecture, defaults."""
    found = dict(layers)
    for engine in set(ENGINES) & set(layers):
        given = dict(layers[engine])
        if "unseen" in given:
            continue
        if engine == "k3s":
            given |= json.loads(secrets or "{}")
            given["programs"] = given["programs"].get(_architecture(), [])
        validated = ArgumentSpecValidator(engine_look(engine).arguments).validate(given)
        found[engine] = validated.validated_parameters
        if validated.error_messages:
            found[engine] = {"unseen": "; ".join(validated.error_messages)}
    return found


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str", "default": ""},
            "paths": {"type": "list", "elements": "str", "default": []},
            "ports": {"type": "list", "elements": "int", "default": []},
            "features": {"type": "list", "elements": "str", "default": []},
            "peers": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "address": {"type": "str", "required": True},
                    "ports": {"type": "list", "elements": "int", "required": True},
                },
            },
            "peer_timeout": {"type": "float", "default": 5.0},
            "versions": {"type": "bool", "default": False},
            "plan": {"type": "dict"},
            "machine": {"type": "dict"},
            "secrets": {"type": "raw", "no_log": True},
            "layers": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    params = module.params
    request = Request(
        address=params["address"],
        paths=tuple(params["paths"]),
        ports=tuple(params["ports"]),
        features=tuple(params["features"]),
        peers=tuple(Peer(peer["name"], peer["address"], tuple(peer["ports"])) for peer in params["peers"]),
        peer_timeout=params["peer_timeout"],
        versions=params["versions"],
    )
    started = time.monotonic()
    try:
        layers = layer_looks(_completed(params["layers"], params["secrets"]), run) if params["layers"] else {}
        looked = time.monotonic() - started
        found = probe(request, System(run))
    except (KlubsterError, OSError) as exc:
        module.fail_json(msg=str(exc))
    for warning in warnings_of(layers):
        module.warn(warning)
    module.exit_json(changed=False, layers=layers, looked=looked, **found)


if __name__ == "__main__":
    main()
