# SPDX-License-Identifier: Apache-2.0
"""A lab of one server, one agent and a stranger, with the stand-in for k3s."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._command import run
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.paths import LabPaths, cache_folder

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
SERVER, AGENT, CLIENT, LAB, PAGE = "10.83.0.11", "10.83.0.21", "10.83.0.100", "10.83.0.1", "10.83.0.200"
RELEASES = Path("~/.cache/klubster/standin-releases").expanduser()
#: a page on each node
PODS = """\
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: web, namespace: default}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      tolerations: [{operator: Exists}]
      containers:
      - name: web
        image: bundle.klubster.internal/agnhost:v1.34.2
        args: [netexec, --http-port=8080]
"""
KUBECTL = "k3s kubectl --kubeconfig /etc/rancher/k3s/k3s.yaml"


@dataclass
class SmallLab:
    """Its inventory, and what tests do with it."""

    folder: Path
    name: str

    def define(self, base: str = "debian-12", **variables: str) -> None:
        """Write the inventory.

        :param variables: further ones of all machines, as YAML.
        """
        (self.folder / "group_vars/all").mkdir(parents=True)
        machines = {"server1": ("servers", SERVER), "agent1": ("agents", AGENT), "client": ("clients", CLIENT)}
        listed = "".join(
            f"  {machine}: {{groups: [{group}], addresses: {{lan: {address}}}}}\n"
            for machine, (group, address) in machines.items()
        )
        (self.folder / "lab.yml").write_text(
            f"plugin: kateskit.klubster.lab\nname: {self.name}\nbase: {base}\n"
            f"segments:\n  lan: {{network: 10.83.0.0/24}}\nmachines:\n{listed}"
        )
        shared = (ROOT / "inventories/lab/group_vars/all.yml").read_text()
        (self.folder / "group_vars/all/10-lab.yml").write_text(shared.replace("10.77.0.", "10.83.0."))
        lines = {
            "klubster_engine": "k3s",
            "klubster_engine_source": "airgap",
            "klubster_airgap_dir": str(RELEASES),
            "klubster_kube_proxy_config": "{}",
            "klubster_k3s_config": "{kube-proxy-arg: [conntrack-max-per-core=0, conntrack-min=0]}",
        } | variables
        text = "".join(f"{name}: {value}\n" for name, value in lines.items())
        (self.folder / "group_vars/all/20-small.yml").write_text(text)
        servers = (ROOT / "inventories/lab_k3s/group_vars/servers.yml").read_text()
        (self.folder / "group_vars/servers.yml").write_text(servers)

    def playbook(self, name: str, *arguments: str) -> str:
        argv = [str(BIN / "ansible-playbook"), "-i", str(self.folder), f"playbooks/{name}.yml", *arguments]
        environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        return done.stdout

    @property
    def ssh_config(self) -> Path:
        return LabPaths(self.name, cache_folder()).ssh_config

    def on(self, machine: str, line: str, *, check: bool = True) -> str:
        """What a shell line prints on a machine."""
        return run(["ssh", "-F", str(self.ssh_config), machine, line], check=check, timeout=120).stdout

    def reaches(self, machine: str, address: str, port: int) -> bool:
        """Whether a connection is made; a refusal would come at once, a drop says nothing."""
        line = f"timeout 3 bash -c ': < /dev/tcp/{address}/{port}' 2>/dev/null && echo yes"
        return "yes" in self.on(machine, line, check=False)
