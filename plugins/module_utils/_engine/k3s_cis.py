# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""The CIS profile of k3s as data: keys, kernel settings, files, modes. One switch turns all of it on.

https://docs.k3s.io/security/hardening-guide
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._engine.engine_layout import Role

_SERVER = "/var/lib/rancher/k3s/server"
ADMISSION: t.Final = f"{_SERVER}/psa.yaml"
AUDIT: t.Final = f"{_SERVER}/audit.yaml"
LOGS: t.Final = f"{_SERVER}/logs"

#: what kubelet finds or ends, when it protects the kernel's settings
SYSCTLS: t.Final[dict[str, int]] = {
    "kernel.panic": 10,
    "kernel.panic_on_oops": 1,
    "vm.overcommit_memory": 1,
    "vm.panic_on_oom": 0,
}
#: folders of a server that are there before its first start, and their modes
FOLDERS: t.Final[dict[str, int]] = {_SERVER: 0o700, LOGS: 0o700}
#: certificates of a server, which k3s writes for everybody to read (control 1.1.20)
CERTIFICATES: t.Final = (f"{_SERVER}/tls", "*.crt")
CERTIFICATE_MODE: t.Final = 0o600
#: namespaces whose service account for everybody gives its token to no pod unasked (control 5.1.5)
WITHOUT_TOKENS: t.Final = ("default", "kube-node-lease", "kube-public")

_CIPHERS = (
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
)
_BOTH: t.Final[dict[str, t.Any]] = {
    "protect-kernel-defaults": True,
    "kubelet-arg": ("streaming-connection-idle-timeout=5m", f"tls-cipher-suites={','.join(_CIPHERS)}"),
}
_SERVERS: t.Final[dict[str, t.Any]] = {
    **_BOTH,
    "secrets-encryption": True,
    "kube-apiserver-arg": (
        "enable-admission-plugins=NodeRestriction,EventRateLimit",
        f"admission-control-config-file={ADMISSION}",
        f"audit-log-path={LOGS}/audit.log",
        f"audit-policy-file={AUDIT}",
        "audit-log-maxage=30",
        "audit-log-maxbackup=10",
        "audit-log-maxsize=100",
        "service-account-extend-token-expiration=false",
    ),
    "kube-controller-manager-arg": ("terminated-pod-gc-threshold=100",),
}


def keys(role: Role) -> dict[str, t.Any]:
    """Keys of the configuration; the user's own entries are laid over them."""
    return dict(_SERVERS if role == "server" else _BOTH)


def files(role: Role, exempt: t.Sequence[str] = ()) -> dict[str, str]:
    """Files that the keys name, by path; they have to be there before the first start.

    :param exempt: namespaces whose pods may do more than the profile allows: those of add-ons that need it.
    """
    if role != "server":
        return {}
    namespaces = list(dict.fromkeys(["kube-system", "compliance-operator-system", *exempt]))
    return {ADMISSION: _text(_admission(namespaces)), AUDIT: _text(_POLICY)}


_POLICY: t.Final = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}]}


def _admission(namespaces: list[str]) -> dict[str, t.Any]:
    """EventRateLimit is an admission plugin that ends the API server when it has no configuration of its own."""
    modes = ("enforce", "audit", "warn")
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration",
        "plugins": [
            {
                "name": "PodSecurity",
                "configuration": {
                    "apiVersion": "pod-security.admission.config.k8s.io/v1",
                    "kind": "PodSecurityConfiguration",
                    "defaults": {
                        **dict.fromkeys(modes, "restricted"),
                        **{f"{mode}-version": "latest" for mode in modes},
                    },
                    "exemptions": {"usernames": [], "runtimeClasses": [], "namespaces": namespaces},
                },
            },
            {
                "name": "EventRateLimit",
                "configuration": {
                    "apiVersion": "eventratelimit.admission.k8s.io/v1alpha1",
                    "kind": "Configuration",
                    "limits": [{"type": "Server", "qps": 5000, "burst": 20000}],
                },
            },
        ],
    }


def _text(document: t.Mapping[str, t.Any]) -> str:
    return json.dumps(document, indent=2) + "\n"


__all__ = (
    "ADMISSION",
    "AUDIT",
    "CERTIFICATES",
    "CERTIFICATE_MODE",
    "FOLDERS",
    "LOGS",
    "SYSCTLS",
    "WITHOUT_TOKENS",
    "files",
    "keys",
)
