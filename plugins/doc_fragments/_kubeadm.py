# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time!

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  cluster:
    description: Name of the cluster.
    type: str
    required: true
  version:
    description: Version of Kubernetes, without a leading v.
    type: str
    required: true
  node:
    description: This machine, as M(kateskit.klubster.cluster_plan) has it.
    type: dict
    required: true
  api:
    description: C(name), C(port), C(address) and C(url) of the API.
    type: dict
    required: true
  networks:
    description: C(pod), C(service), C(dns_domain) and C(dns_address) of the cluster.
    type: dict
    required: true
  bundle_dir:
    description: Folder of the bundle on the controller, whose manifest fills in what is marked so.
    type: path
  images:
    description: Filled in on the controller. C(repository), C(etcd) and C(coredns), the latter two as tags.
    type: dict
    default: {}
  kubelet_config:
    description: Entries for KubeletConfiguration, laid over this collection's own.
    type: dict
    default: {}
  kube_proxy_config:
    description: Entries for KubeProxyConfiguration, laid over this collection's own.
    type: dict
    default: {}
  cni:
    description:
      - What a machine has to know of the pod network. C(kept) is what a living cluster keeps of it, C(service_proxy)
        whether its provider does kube-proxy's work.
    type: dict
    default: {}
  open_servers:
    description: Whether servers are open for the user's pods.
    type: bool
    default: false
"""
