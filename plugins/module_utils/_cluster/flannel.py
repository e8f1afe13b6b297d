# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Set ``cni``: Flannel, and the nodes' CNI configuration made from the subnet that flanneld was given.

Flannel's own CNI plugin is a module that the module proxy does not serve. What it does, reading flanneld's subnet file
and calling the bridge plugin, is done here by a second container in flanneld's pod: it writes a configuration for
bridge, host-local and portmap, and writes it anew when the subnet file changes or the configuration was lost.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import manifests
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import (
    DefinitionError,
    Object,
    digest_of,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._model.cni import REMEDY, kept

SET = "cni"
IMAGES = ("flannel", "shell")
MANIFEST = "kube-flannel.yml"
CONFLIST = "/etc/cni/net.d/10-flannel.conflist"
SUBNET_FILE = "/run/flannel/subnet.env"
_CONFIG_DIGEST = "klubster.kateskit.dev/config"
_WRITER = "cni-config"
_SCRIPT_DIR = "/etc/klubster"
_VXLAN_OVERHEAD = 50
#: how flanneld calls a backend, where that differs
_TYPES = {"wireguard-native": "wireguard"}

# Runs in the bundle's small shell: its words are POSIX sh, its programs mv, cat and sleep. flanneld replaces its file
# by renaming, and counts the first address of the subnet (network + 1) as the subnet.
# A node that joins anew may get another subnet: forceAddress lets its bridge follow.
_WRITER_SCRIPT = """\
set -u
network_of() {
    case $1 in
    *:*) echo "${1%1/*}/${1##*/}" ;;
    *) address=${1%/*}; echo "${address%.*}.$((${address##*.} - 1))/${1##*/}" ;;
    esac
}
render() {
    FLANNEL_NETWORK='' FLANNEL_SUBNET='' FLANNEL_IPV6_NETWORK='' FLANNEL_IPV6_SUBNET='' FLANNEL_MTU=''
    . @SUBNET_FILE@
    ranges='' routes=''
    if [ -n "$FLANNEL_SUBNET" ]; then
        ranges="[{\\"subnet\\": \\"$(network_of "$FLANNEL_SUBNET")\\"}]"
        routes="{\\"dst\\": \\"$FLANNEL_NETWORK\\"}"
    fi
    if [ -n "$FLANNEL_IPV6_SUBNET" ]; then
        ranges="${ranges:+$ranges, }[{\\"subnet\\": \\"$(network_of "$FLANNEL_IPV6_SUBNET")\\"}]"
        routes="${routes:+$routes, }{\\"dst\\": \\"$FLANNEL_IPV6_NETWORK\\"}"
    fi
    [ -n "$ranges" ] && [ -n "$FLANNEL_MTU" ] || return 1
    mtu=${CNI_MTU:-$FLANNEL_MTU}
    wanted="{
  \\"cniVersion\\": \\"1.0.0\\",
  \\"name\\": \\"cbr0\\",
  \\"plugins\\": [
    {
      \\"type\\": \\"bridge\\",
      \\"bridge\\": \\"cni0\\",
      \\"isDefaultGateway\\": true,
      \\"forceAddress\\": true,
      \\"hairpinMode\\": true,
      \\"ipMasq\\": false,
      \\"mtu\\": $mtu,
      \\"ipam\\": {\\"type\\": \\"host-local\\", \\"ranges\\": [$ranges], \\"routes\\": [$routes]}
    },
    {\\"type\\": \\"portmap\\", \\"capabilities\\": {\\"portMappings\\": true}}
  ]
}"
}
write() {
    if [ -r @CONFLIST@ ] && [ "$(cat @CONFLIST@)" = "$wanted" ]; then return; fi
    printf '%s\\n' "$wanted" > @CONFLIST@.new && mv @CONFLIST@.new @CONFLIST@ && echo "wrote @CONFLIST@ for $ranges"
}
pause=0.2
while :; do
    if [ -r @SUBNET_FILE@ ] && render && write; then pause=5; fi
    sleep $pause
done
""".replace("@SUBNET_FILE@", SUBNET_FILE).replace("@CONFLIST@", CONFLIST)


def flannel_set(
    bundle: manifests.Bundle, *, backend: str = "vxlan", networks: t.Sequence[str], mtu: int | None = None
) -> Object:
    """The set with Flannel; ready when every node is, and the cluster's DNS, which could not start before.

    :param backend: ``vxlan``, ``host-gw`` or ``wireguard-native``.
    :param networks: the pods' networks, one per address family.
    :param mtu: bytes of the pods' packets; without it flanneld finds out.
    """
    objects = manifests.load(bundle, MANIFEST)
    config = manifests.the(objects, "ConfigMap", "kube-flannel-cfg")
    daemon_set = manifests.the(objects, "DaemonSet", "kube-flannel-ds")
    settings = network_settings(backend, networks, mtu)
    config["data"] = {"net-conf.json": manifests.as_json(settings), "cni-config.sh": _WRITER_SCRIPT}
    _change_daemon_set(bundle, daemon_set, mtu)
    # flanneld reads its configuration once; a new pod reads the new one.
    template = daemon_set["spec"]["template"]["metadata"]
    template["annotations"] = {_CONFIG_DIGEST: digest_of(config["data"])}
    return {
        "name": SET,
        "definitions": objects,
        "fixed": kept("flannel", backend, networks, service_proxy=False),
        "fixed_remedy": REMEDY,
        "wait_for": [
            {"api_version": "v1", "kind": "Node"},
            {"api_version": "apps/v1", "kind": "Deployment", "namespace": "kube-system", "name": "coredns"},
        ],
    }


def no_cni_set() -> Object:
    """The set of a cluster whose user brings the network: nothing, and a note that it is so."""
    return {"name": SET, "definitions": [], "fixed": {"provider": "none"}, "fixed_remedy": REMEDY}


def network_settings(backend: str, networks: t.Sequence[str], mtu: int | None) -> Object:
    """flanneld's net-conf.json."""
    settings: Object = {"EnableNFTables": False, "Backend": {"Type": _TYPES.get(backend, backend)}}
    if backend == "vxlan" and mtu:
        # flanneld takes its overhead off what it is told.
        settings["Backend"]["MTU"] = mtu + _VXLAN_OVERHEAD
    v4 = [network for network in networks if ":" not in network]
    v6 = [network for network in networks if ":" in network]
    if len(v4) > 1 or len(v6) > 1 or not (v4 or v6):
        raise DefinitionError(
            f"cni_pod_networks = {', '.join(networks) or 'empty'}: Flannel takes one network per address family. "
            "Give one for IPv4, one for IPv6, or one of each."
        )
    settings["EnableIPv4"] = bool(v4)
    settings["EnableIPv6"] = bool(v6)
    if v4:
        settings["Network"] = v4[0]
    if v6:
        settings["IPv6Network"] = v6[0]
    return settings


def _change_daemon_set(bundle: manifests.Bundle, daemon_set: Object, mtu: int | None) -> None:
    spec = manifests.pod_spec(daemon_set)
    spec.pop("initContainers", None)
    flanneld = manifests.container(daemon_set, "kube-flannel")
    manifests.use_image(bundle, flanneld, "flannel")
    # The node's own address decides, not the default route: there may be none, or one through another network.
    flanneld["env"] = [*flanneld["env"], _field("HOST_IP", "status.hostIP")]
    flanneld["args"] = [*flanneld["args"], "--iface=$(HOST_IP)"]
    spec["volumes"] = [volume for volume in spec["volumes"] if volume["name"] not in ("cni-plugin", "cni")]
    spec["volumes"].append({"name": "cni", "hostPath": {"path": "/etc/cni/net.d", "type": "DirectoryOrCreate"}})
    writer: Object = {
        "name": _WRITER,
        "command": ["/bin/sh", f"{_SCRIPT_DIR}/cni-config.sh"],
        "resources": {"requests": {"cpu": "5m", "memory": "8Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [
            {"name": "run", "mountPath": "/run/flannel", "readOnly": True},
            {"name": "cni", "mountPath": "/etc/cni/net.d"},
            {"name": "flannel-cfg", "mountPath": _SCRIPT_DIR, "readOnly": True},
        ],
    }
    if mtu:
        writer["env"] = [{"name": "CNI_MTU", "value": str(mtu)}]
    manifests.use_image(bundle, writer, "shell")
    spec["containers"].append(writer)
    spec["terminationGracePeriodSeconds"] = 5
    # A node without a network is no node: it may not go for want of a toleration.
    spec["tolerations"] = [{"operator": "Exists"}]


def _field(name: str, path: str) -> Object:
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}


__all__ = ("CONFLIST", "IMAGES", "MANIFEST", "SET", "SUBNET_FILE", "flannel_set", "network_settings", "no_cni_set")
