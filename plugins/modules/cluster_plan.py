#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_plan
short_description: Read and validate the cluster that the inventory describes
version_added: "0.1.0"
description:
  - Reads the C(klubster_*) variables of all hosts and the groups C(servers) and C(agents), checks them, and returns the
    cluster as plain data for the roles.
  - All problems are reported at once, each with variable, value, rule and remedy.
  - It runs on the controller, connects to no machine and changes nothing.
author:
  - KatesKit developers (@kateskit)
extends_documentation_fragment:
  - kateskit.klubster._attributes
  - kateskit.klubster._attributes.info_module
attributes:
  platform:
    support: full
    platforms: all
seealso:
  - module: kateskit.klubster.preflight_check
"""

EXAMPLES = r"""
---
- name: Read the cluster from the inventory
  kateskit.klubster.cluster_plan:
  register: klubster_plan
  run_once: true

- name: Show the order in which servers join
  ansible.builtin.debug:
    var: klubster_plan.servers
"""

RETURN = r"""
name:
  description: Name of the cluster.
  returned: success
  type: str
  sample: home
machines:
  description: The cluster's machines, servers first, in the order in which they join.
  returned: success
  type: list
  elements: dict
  sample:
    - name: node1
      node_name: node1
      role: server
      address: 192.168.1.11
      labels: {}
      taints: []
servers:
  description: Inventory names of the servers.
  returned: success
  type: list
  elements: str
  sample: [node1]
agents:
  description: Inventory names of the agents.
  returned: success
  type: list
  elements: str
  sample: [node2, node3]
engine:
  description: The engine, its version and source, and the user's entries for its configuration.
  returned: success
  type: dict
  sample: {name: kubeadm, version: 1.34.2, source: bundle, bundle_dir: /srv/bundle}
api:
  description: Where the Kubernetes API is reached.
  returned: success
  type: dict
  sample:
    name: api.home.internal
    port: 6443
    address: 192.168.1.11
    host: localhost
    kubeconfig: ~/.kube/klubster-home.yaml
networks:
  description: Networks of pods and services, and the cluster's DNS.
  returned: success
  type: dict
  sample: {pod: [10.244.0.0/16], service: [10.96.0.0/16], dns_domain: cluster.local, dns_address: 10.96.0.10}
cni:
  description: Provider of the pod network.
  returned: success
  type: dict
  sample:
    provider: flannel
    backend: vxlan
    mtu: null
    service_proxy: false
    chart: ""
    chart_sha256: ""
    values: {}
    manifests: []
    layer: flannel
    node:
      kept: {provider: flannel, backend: vxlan, networks: 10.244.0.0/16}
      service_proxy: false
      plugins: true
load_balancer:
  description: Provider of addresses for services, and its pools.
  returned: success
  type: dict
  sample:
    provider: metallb
    mode: l2
    pools:
      - name: home
        addresses: [192.168.1.240-192.168.1.250]
        auto_assign: true
        avoid_buggy_ips: false
        interfaces: []
        announce: [l2]
        priority: null
        namespaces: []
        namespace_selectors: []
        service_selectors: []
    speaker: native
    l2_advertisements: []
    bgp: {asn: null, peers: [], advertisements: [], communities: {}, bfd_profiles: [], pods: false}
    openelb: {manifest: "", manifest_sha256: "", listen_port: 179, paths: 3}
storage:
  description: Storage by provider.
  returned: success
  type: dict
  sample:
    local_path: {enabled: true, path: /var/lib/klubster/local-path, class_name: local-path, default_class: true}
layers:
  description: Where the layers above the engine come from; the folder that manifests of releases are fetched to.
  returned: success
  type: dict
  sample: {source: bundle, directory: "", mirrors: []}
open_servers:
  description: Whether servers are open for the user's pods, as they are where there are no agents.
  returned: success
  type: bool
  sample: false
single_node:
  description: Whether it is a cluster of one machine.
  returned: success
  type: bool
  sample: false
batch:
  description: Agents that are changed at the same time.
  returned: success
  type: int
  sample: 5
canary:
  description: Inventory name of the machine that is changed first, or nothing.
  returned: success
  type: str
  sample: ""
drain_timeout:
  description: Seconds that pods have to leave a node that is changed.
  returned: success
  type: int
  sample: 300
drain_force:
  description: Whether pods that nothing brings back are ended.
  returned: success
  type: bool
  sample: false
snapshots_kept:
  description: Snapshots from before upgrades that a server keeps.
  returned: success
  type: int
  sample: 5
secure_logging:
  description: Whether the results of tasks that handle secrets are hidden.
  returned: success
  type: bool
  sample: true
hosts:
  description: Addresses and names that nodes find without a DNS server.
  returned: success
  type: list
  elements: dict
  sample:
    - address: 192.168.1.11
      names: [node1, api.home.internal]
ca_hash:
  description: Of the CA of the user's own, as k3s's tokens have it; empty without one.
  returned: success
  type: str
  sample: ""
sysctls:
  description: Kernel settings that the engine's profile needs on every machine.
  returned: success
  type: dict
  sample: {kernel.panic: "10"}
archives:
  description:
    - Archives of images of the user's own, for every node. C(images) are the names in one, and what each stands for;
      C(rule) and C(remedy) say what keeps it from being used.
  returned: success
  type: list
  elements: dict
  sample:
    - name: shop.tar
      path: /srv/images/shop.tar
      sha256: 0f3a
      size: 1234
      images: {"registry.example.org/shop:v1": "sha256:0f3a"}
      rule: ""
      remedy: ""
images:
  description: Images that the layers above the engine run, by their names in the bundle.
  returned: success
  type: list
  elements: str
  sample: [flannel]
notes:
  description: What is allowed, but worth a thought; shown as warnings too.
  returned: success
  type: list
  elements: str
  sample: ["klubster_pools is empty: services of type LoadBalancer get no address."]
problems:
  description: What is wrong with the variables.
  returned: when the inventory is refused
  type: list
  elements: dict
  sample:
    - variable: klubster_batch
      value: many
      rule: It is a whole number, not text.
      remedy: Write a whole number, without quotes and units.
"""
