# SPDX-License-Identifier: Apache-2.0
"""Nothing that a run prints, however much it is asked to say, holds a secret of the cluster."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml
from cluster import Cluster, Inventory, Machine, on_machine
from secrets_said import said

_KEYS = (
    "find /etc/kubernetes /var/lib/kubelet/pki -xdev -type f -exec grep -lE 'PRIVATE KEY|client-key-data' {} + | "
    'while read f; do echo "== $f"; cat "$f"; done'
)


def _of_kubeconfig(text: str) -> t.Iterator[str]:
    for user in yaml.safe_load(text).get("users") or ():
        for key in ("client-key-data", "token"):
            if user["user"].get(key):
                yield user["user"][key]


@pytest.fixture(scope="module")
def secrets(cluster: Cluster, inventory: Inventory, machines: list[Machine]) -> dict[str, str]:
    """Name → secret: keys on the machines, the administrator's, and every value of every Secret."""
    found: dict[str, str] = {}
    for machine in machines:
        for part in on_machine(inventory, machine.name, _KEYS).split("== ")[1:]:
            path, _sep, text = part.partition("\n")
            texts = _of_kubeconfig(text) if path.endswith(".conf") else [text]
            found |= {f"{machine.name}:{path}#{number}": one for number, one in enumerate(texts)}
    default = f"~/.kube/klubster-{inventory.get('klubster_name')}.yaml"
    path = Path(str(inventory.get("klubster_kubeconfig") or default)).expanduser()
    found |= {f"{path}#{number}": one for number, one in enumerate(_of_kubeconfig(path.read_text()))}
    for secret in cluster.core.list_secret_for_all_namespaces().items:
        for key, value in (secret.data or {}).items():
            # What anybody may know of a bootstrap token, and certificates.
            if key in {"ca.crt", "namespace", "token-id", "expiration", "description", "auth-extra-groups"}:
                continue
            found[f"{secret.metadata.namespace}/{secret.metadata.name}/{key}"] = value
    return found


@pytest.mark.said
def test_no_secret_was_said(request: pytest.FixtureRequest, secrets: dict[str, str]) -> None:
    names = set(secrets)
    for part in ("/etc/kubernetes/admin.conf", "pki/ca.key", "kube-system/bootstrap-token", "memberlist"):
        assert any(part in name for name in names), f"{part} was not looked for; only {sorted(names)}"
    for path in request.config.getoption("--said"):
        text = Path(path).read_text(errors="replace")
        assert "PLAY RECAP" in text, f"{path} is no output of a playbook"
        assert said(text, secrets) == [], path
