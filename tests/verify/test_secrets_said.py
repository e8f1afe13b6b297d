# SPDX-License-Identifier: Apache-2.0
"""Nothing that a run prints, no argument or variable that a program was started with, no fact and no file that others
may read holds a secret of the cluster.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from cluster import Cluster, Inventory, Machine, ansible, on_machine
from secrets_of_files import SHOW, of_kubeconfig, shown
from secrets_said import forms, said

#: what must be among the secrets, or they were not looked for
_PARTS = {
    "kubeadm": ("/etc/kubernetes/admin.conf", "pki/ca.key", "kube-system/bootstrap-token", "memberlist"),
    "k3s": (
        "/etc/klubster/k3s/token",
        "/etc/klubster/k3s/agent-token",
        "/server/token",
        "/etc/rancher/k3s/k3s.yaml",
        "/etc/rancher/node/password",
        "tls/server-ca.key",
        "memberlist",
    ),
}

# Sent as a file, for only its text holds the secrets; nobody's argument list does.
_SEARCH = """#!/usr/bin/python3
import json, os, stat
patterns = [one.encode() for one in PATTERNS]
holding, unprotected = [], []
for top in ("/etc", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/usr/local", "/var"):
    closed = set()
    for folder, folders, files in os.walk(top):
        mode = os.stat(folder)
        if os.path.dirname(folder) in closed or mode.st_uid == 0 and not mode.st_mode & 0o001:
            closed.add(folder)
        if folder in ("/var/lib/containerd", "/run/containerd"):
            folders[:] = []
        for name in files:
            path = os.path.join(folder, name)
            try:
                one = os.lstat(path)
                if not stat.S_ISREG(one.st_mode) or one.st_size > 64 << 20:
                    continue
                with open(path, "rb") as stream:
                    content = stream.read()
            except OSError:
                continue
            if any(pattern in content for pattern in patterns):
                holding.append(path)
                if (one.st_mode & 0o077 or one.st_uid != 0) and folder not in closed:
                    unprotected.append(path)
print(json.dumps({"holding": holding, "open": unprotected}))
"""


@pytest.fixture(scope="module")
def secrets(cluster: Cluster, inventory: Inventory, machines: list[Machine]) -> dict[str, str]:
    """Name → secret: keys on the machines, the administrator's, and every value of every Secret."""
    found: dict[str, str] = {}
    for machine in machines:
        for path, texts in shown(on_machine(inventory, machine.name, SHOW)).items():
            found |= {f"{machine.name}:{path}#{number}": one for number, one in enumerate(texts)}
    default = f"~/.kube/klubster-{inventory.get('klubster_name')}.yaml"
    path = Path(str(inventory.get("klubster_kubeconfig") or default)).expanduser()
    found |= {f"{path}#{number}": one for number, one in enumerate(of_kubeconfig(path.read_text()))}
    for secret in cluster.core.list_secret_for_all_namespaces().items:
        for key, value in (secret.data or {}).items():
            # What anybody may know of a bootstrap token, and certificates.
            if key in {"ca.crt", "namespace", "token-id", "expiration", "description", "auth-extra-groups"}:
                continue
            found[f"{secret.metadata.namespace}/{secret.metadata.name}/{key}"] = value
    return found


@pytest.mark.watched
def test_no_program_was_started_with_a_secret(request: pytest.FixtureRequest, secrets: dict[str, str]) -> None:
    """On the controller and, as machines of a lab are processes of it, on the machines."""
    for path in request.config.getoption("--watched"):
        head, _newline, text = Path(path).read_text().partition("\n")
        seen = json.loads(head)
        # Those that ended within a fraction of a millisecond, such as true, could not be read. They are few.
        assert seen["missed"] <= seen["started"] / 50, head
        assert "argv ssh " in text, "no connection to a machine was seen; this was no run of site.yml"
        # The stand-in for k3s is called as python3 /usr/local/bin/k3s.
        assert any(f" /usr/local/bin/{engine} " in text for engine in ("kubeadm", "k3s")), "no engine was seen"
        # k3s takes a proxy with its password, and its datastore, by the service's environment and by nothing else.
        by_environment = {name: secret for name, secret in secrets.items() if ".service.env#" in name}
        arguments = "\n".join(line for line in text.splitlines() if line.startswith("argv "))
        assert said(arguments, by_environment) == [], path
        assert said(text, {name: secrets[name] for name in secrets.keys() - by_environment.keys()}) == [], path


@pytest.mark.secrets
def test_no_fact_tells_a_secret(inventory: Inventory, secrets: dict[str, str]) -> None:
    done = ansible(inventory.source, "ansible", "servers:agents", "-b", "-m", "ansible.builtin.setup")
    assert done.returncode == 0, done.stdout[-2000:]
    assert "ansible_default_ipv4" in done.stdout
    assert said(done.stdout, secrets) == []


@pytest.mark.secrets
def test_files_that_hold_a_secret_are_for_root_only(
    inventory: Inventory, machines: list[Machine], secrets: dict[str, str], tmp_path: Path
) -> None:
    """Wherever they are: a file counts that another user could open, by its own mode and that of its folders."""
    patterns = sorted({form for secret in secrets.values() for form in forms(secret)})
    assert len(patterns) > 50
    script = tmp_path / "search.py"
    script.touch(mode=0o600)
    script.write_text(_SEARCH.replace("PATTERNS", json.dumps(patterns)))
    for machine in machines:
        done = ansible(
            inventory.source, "ansible", machine.name, "-b", "-m", "ansible.builtin.script", "-a", str(script)
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        found = json.loads(yaml.safe_load(done.stdout.partition("=>")[2])["stdout"])
        assert found["holding"], f"on {machine.name} no file holds any of the secrets: the search does not work"
        assert found["open"] == [], machine.name


@pytest.mark.said
def test_no_secret_was_said(request: pytest.FixtureRequest, inventory: Inventory, secrets: dict[str, str]) -> None:
    names = set(secrets)
    for part in _PARTS[str(inventory.get("klubster_engine") or "kubeadm")]:
        assert any(part in name for name in names), f"{part} was not looked for; only {sorted(names)}"
    for path in request.config.getoption("--said"):
        text = Path(path).read_text(errors="replace")
        assert "PLAY RECAP" in text, f"{path} is no output of a playbook"
        assert said(text, secrets) == [], path
