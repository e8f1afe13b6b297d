# SPDX-License-Identifier: Apache-2.0
"""The flags of ``k3s server`` and ``k3s agent`` (k3s.md A.1-A.9), and what the stand-in makes of each."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

Role = t.Literal["server", "agent"]
Kind = t.Literal["string", "int", "bool", "list", "duration"]
#: does: as k3s. accepts: no effect, recorded. refuses: a value that asks for it is an error.
Effect = t.Literal["does", "accepts", "refuses"]


@dataclass(frozen=True)
class Flag:
    """One flag. ``server`` takes all but those of agents only."""

    name: str
    kind: Kind
    scope: t.Literal["server", "agent", "both"]
    effect: Effect
    environment: str = ""
    short: str = ""
    default: str = ""
    secret: bool = False


# name[,short] type scope effect [ENVIRONMENT] [=default] [secret]
_TABLE = """
config,c string both does K3S_CONFIG_FILE =/etc/rancher/k3s/config.yaml
debug bool both accepts K3S_DEBUG
v int both accepts
vmodule string both accepts
log,l string both refuses
alsologtostderr bool both accepts
data-dir,d string both does K3S_DATA_DIR =/var/lib/rancher/k3s
bind-address string both does
https-listen-port int server does =6443
advertise-address string server does
advertise-port int server refuses
tls-san list server does
tls-san-security bool server accepts =true
supervisor-port int server refuses K3S_SUPERVISOR_PORT
apiserver-port int server refuses K3S_APISERVER_PORT
apiserver-bind-address string server refuses K3S_APISERVER_BIND_ADDRESS
cluster-cidr list server does =10.42.0.0/16
service-cidr list server does =10.43.0.0/16
service-node-port-range string server does =30000-32767
cluster-dns list server does
cluster-domain string server does =cluster.local
flannel-backend string server does =vxlan
flannel-ipv6-masq bool server accepts
flannel-external-ip bool server accepts
flannel-ip-masq-disable-random-fully bool server accepts
egress-selector-mode string server accepts =agent
servicelb-namespace string server accepts =kube-system
node-ip,i list both does
node-external-ip list both accepts
node-internal-dns list both accepts
node-external-dns list both accepts
resolv-conf string both does K3S_RESOLV_CONF
flannel-iface string both does
flannel-conf string both does
flannel-cni-conf string both does
vpn-auth string both refuses K3S_VPN_AUTH secret
vpn-auth-file string both refuses K3S_VPN_AUTH_FILE
disable-apiserver-lb bool agent refuses
token,t string both does K3S_TOKEN secret
token-file string both does K3S_TOKEN_FILE
agent-token string server does K3S_AGENT_TOKEN secret
agent-token-file string server does K3S_AGENT_TOKEN_FILE
server,s string both does K3S_URL
cluster-init bool server does K3S_CLUSTER_INIT
cluster-reset bool server refuses K3S_CLUSTER_RESET
cluster-reset-restore-path string server refuses
lb-server-port int both does K3S_LB_SERVER_PORT =6444
write-kubeconfig,o string server does K3S_KUBECONFIG_OUTPUT =/etc/rancher/k3s/k3s.yaml
write-kubeconfig-mode string server does K3S_KUBECONFIG_MODE =0600
write-kubeconfig-group string server does K3S_KUBECONFIG_GROUP
helm-job-image string server accepts
helm-controller-arg list server accepts
datastore-endpoint string server does K3S_DATASTORE_ENDPOINT secret
datastore-cafile string server accepts K3S_DATASTORE_CAFILE
datastore-certfile string server accepts K3S_DATASTORE_CERTFILE
datastore-keyfile string server accepts K3S_DATASTORE_KEYFILE
kine-tls bool server accepts
etcd-expose-metrics bool server does
etcd-disable-snapshots bool server accepts
etcd-snapshot-name string server does =etcd-snapshot
etcd-snapshot-schedule-cron string server accepts
etcd-snapshot-retention int server accepts =5
etcd-snapshot-reconcile-interval duration server accepts
etcd-snapshot-dir string server does
etcd-snapshot-compress bool server does
etcd-s3 bool server refuses
etcd-s3-endpoint string server accepts
etcd-s3-endpoint-ca string server accepts
etcd-s3-skip-ssl-verify bool server accepts
etcd-s3-access-key string server accepts AWS_ACCESS_KEY_ID secret
etcd-s3-secret-key string server accepts AWS_SECRET_ACCESS_KEY secret
etcd-s3-session-token string server accepts AWS_SESSION_TOKEN secret
etcd-s3-bucket string server accepts
etcd-s3-folder string server accepts
etcd-s3-bucket-lookup-type string server accepts
etcd-s3-region string server accepts
etcd-s3-retention int server accepts
etcd-s3-proxy string server accepts
etcd-s3-config-secret string server accepts
etcd-s3-insecure bool server accepts
etcd-s3-timeout duration server accepts
disable list server does
disable-scheduler bool server does
disable-cloud-controller bool server accepts
disable-kube-proxy bool server does
disable-network-policy bool server accepts
disable-helm-controller bool server accepts
disable-apiserver bool server refuses
disable-controller-manager bool server refuses
disable-etcd bool server refuses
disable-agent bool server refuses
embedded-registry bool server refuses
supervisor-metrics bool server accepts
default-local-storage-path string server does
secrets-encryption bool server does
secrets-encryption-provider string server does =aescbc
kube-apiserver-arg list server does
etcd-arg list server does
kube-controller-manager-arg list server does
kube-scheduler-arg list server does
kube-cloud-controller-manager-arg list server accepts
kube-controller-arg list server does
kube-cloud-controller-arg list server accepts
kubelet-arg list both does
kube-proxy-arg list both does
node-name string both does K3S_NODE_NAME
with-node-id bool both does
node-label list both does
node-taint list both does
image-credential-provider-bin-dir string both accepts
image-credential-provider-config string both accepts
selinux bool both accepts K3S_SELINUX
protect-kernel-defaults bool both does
container-runtime-endpoint string both refuses
image-service-endpoint string both refuses
default-runtime string both accepts
docker bool both refuses
pause-image string both does =rancher/mirrored-pause:3.6
snapshotter string both does =overlayfs
private-registry string both does =/etc/rancher/k3s/registries.yaml
system-default-registry string server accepts K3S_SYSTEM_DEFAULT_REGISTRY
disable-default-registry-endpoint bool both does
nonroot-devices bool both accepts
airgap-extra-registry list both accepts
prefer-bundled-bin bool both accepts
rootless bool both refuses
enable-pprof bool both accepts
"""

#: removed from k3s; named here so that the message can say so
REMOVED = ("no-flannel", "no-deploy", "cluster-secret")


def _parse(line: str) -> Flag:
    names, kind, scope, effect, *further = line.split()
    name, _comma, short = names.partition(",")
    default = next((word[1:] for word in further if word.startswith("=")), "")
    environment = next((word for word in further if word.isupper() or word[:4] in ("K3S_", "AWS_")), "")
    return Flag(
        name,
        t.cast(Kind, kind),
        t.cast('t.Literal["server", "agent", "both"]', scope),
        t.cast(Effect, effect),
        environment,
        short,
        default,
        "secret" in further,
    )


FLAGS: dict[str, Flag] = {flag.name: flag for flag in map(_parse, _TABLE.strip().splitlines())}


def of(role: Role) -> dict[str, Flag]:
    """Flags of a command by name and by their short form; a server runs an agent too, so it takes those of both."""
    other = "agent" if role == "server" else "server"
    found = {flag.name: flag for flag in FLAGS.values() if flag.scope != other}
    return {**found, **{flag.short: flag for flag in found.values() if flag.short}}


__all__ = ("FLAGS", "REMOVED", "Effect", "Flag", "Kind", "Role", "of")
