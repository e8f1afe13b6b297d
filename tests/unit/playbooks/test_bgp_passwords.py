# SPDX-License-Identifier: Apache-2.0
"""A password of BGP on its way through ansible-playbook: in no word of the output, however much is said."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]
PASSWORD = "S3CRETWORD"
SETS = [
    {
        "name": "load-balancer",
        "given_secrets": [
            {
                "name": "bgp-peer-router2",
                "namespace": "metallb-system",
                "type": "kubernetes.io/basic-auth",
                "key": "password",
                "value": "router2",
            }
        ],
    }
]


def test_a_password_is_never_shown(tmp_path: Path) -> None:
    values = "{{ klubster_bgp_passwords | to_json if klubster_bgp_passwords | default({}) else omit }}"
    options = {"kubeconfig": str(tmp_path / "none.yaml"), "sets": SETS, "secret_values": values}
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {"klubster_bgp_passwords": {"router2": PASSWORD}},
        "tasks": [
            {"name": "Look", "kateskit.klubster.cluster_status": {**options, "plan": {"name": "home"}}},
            {"name": "Apply", "kateskit.klubster.cluster_objects": options},
        ],
    }
    playbook = tmp_path / "play.yml"
    playbook.write_text(yaml.safe_dump([play]), encoding="utf-8")
    program = str(Path(sys.executable).parent / "ansible-playbook")
    interpreter = f"ansible_python_interpreter={sys.executable}"
    argv = [program, "-i", "localhost,", "-c", "local", "-e", interpreter, "--check", "--diff", "-vvv", str(playbook)]
    environment = {
        **os.environ,
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_INJECT_INVOCATION": "1",
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "ansible"),
    }
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    # It got there, and only its name was told.
    assert "Secret metallb-system/bgp-peer-router2" in said
    assert "password: (masked) after" in said
    assert PASSWORD not in said
    assert base64.b64encode(PASSWORD.encode()).decode() not in said
