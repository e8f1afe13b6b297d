# SPDX-License-Identifier: Apache-2.0
"""Which files of a machine hold secrets, under either engine, and what in them is secret."""

from __future__ import annotations

import json
import re
import typing as t

import yaml

#: keys and kubeconfigs are found by what stands in them
_FOLDERS = "/etc/kubernetes /var/lib/kubelet/pki /etc/rancher /var/lib/rancher/k3s/server /var/lib/rancher/k3s/agent"
#: these by their names
_NAMED = (
    "/etc/klubster/k3s/token /etc/klubster/k3s/agent-token /var/lib/rancher/k3s/server/token"
    " /var/lib/rancher/k3s/server/agent-token /var/lib/rancher/k3s/server/cred/encryption-config.json"
    " /etc/rancher/node/password /etc/rancher/k3s/registries.yaml"
    " /etc/systemd/system/k3s.service.env /etc/systemd/system/k3s-agent.service.env"
)
#: a command that shows them all, each after a line with its path
SHOW = (
    f"{{ for d in {_FOLDERS}; do [ ! -d $d ] || find $d -xdev -path '*/containerd/*' -prune -o -type f -size -1024k"
    " -exec grep -lE 'PRIVATE KEY|client-key-data' {} +; done;"
    f" for f in {_NAMED}; do [ ! -f $f ] || echo $f; done; }} | sort -u |"
    ' while read f; do echo "== $f"; cat "$f"; echo; done'
)
_CREDENTIALS = re.compile(r"://[^/\s:@]*:([^@\s]+)@")


def shown(output: str) -> dict[str, list[str]]:
    """From the output of ``SHOW``: path → secrets."""
    found = {}
    for part in re.split(r"^== ", output, flags=re.MULTILINE)[1:]:
        path, _newline, text = part.partition("\n")
        found[path] = list(within(path, text))
    return found


def within(path: str, text: str) -> t.Iterator[str]:
    """The secrets in a file."""
    if "kind: Config" in text:
        yield from of_kubeconfig(text)
    elif path.endswith(("/token", "/agent-token")):
        # Before the last colon stand the CA's hash and the user, which are no secrets.
        yield text.strip().rpartition(":")[2]
    elif path.endswith("/encryption-config.json"):
        yield from _of_encryption(json.loads(text))
    elif path.endswith("/registries.yaml"):
        yield from _of_registries(yaml.safe_load(text) or {})
    elif path.endswith(".service.env"):
        yield from _CREDENTIALS.findall(text)
    else:
        yield text.strip() if "PRIVATE KEY" not in text else text


def of_kubeconfig(text: str) -> t.Iterator[str]:
    for user in yaml.safe_load(text).get("users") or ():
        for key in ("client-key-data", "token"):
            if user["user"].get(key):
                yield user["user"][key]


def _of_encryption(config: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    for resource in config.get("resources") or ():
        for provider in resource.get("providers") or ():
            for entry in provider.values():
                yield from (key["secret"] for key in (entry or {}).get("keys") or ())


def _of_registries(config: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    for entry in (config.get("configs") or {}).values():
        auth = (entry or {}).get("auth") or {}
        yield from (str(auth[key]) for key in ("password", "auth", "identity_token") if auth.get(key))
