# SPDX-License-Identifier: Apache-2.0
"""A changed setting goes to a canary first, then to the server, then to agents two at a time; a bad canary ends it.

By k3s, on the stand-in where no release is. Asked for by name (--all-causes).
"""

from __future__ import annotations

import json
import typing as t

import pytest
from causes import SMALL, Lab, have_k3s, inventory

pytestmark = pytest.mark.more
CANARY = "agent4"
AGENTS = ("agent1", "agent2", "agent3", CANARY)
MACHINES = {"server1": "servers", **dict.fromkeys(AGENTS, "agents")}
#: k3s on the canary does not start as long as this is there
BROKEN = "/run/systemd/system/k3s-agent.service.d"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Lab]:
    have_k3s()
    own = {
        **SMALL,
        "klubster_load_balancer": "none",
        "klubster_pools": [],
        "klubster_storage": {"local_path": {"enabled": False}},
        "klubster_canary": CANARY,
        "klubster_batch": 2,
    }
    made = Lab("batches", (inventory("lab_k3s", tmp_path_factory.mktemp("inventory") / "lab", MACHINES, **own),))
    with made.running():
        made.succeeds("site")
        yield made


def pods(count: int) -> tuple[str, str]:
    """A setting for which kubelets are started anew."""
    return "-e", json.dumps({"klubster_node_kubelet_config": {"maxPods": count}})


def moments(lab: Lab, name: str) -> dict[str, int]:
    return {
        machine: lab.moment(machine, "k3s" if role == "servers" else "k3s-agent", name)
        for machine, role in MACHINES.items()
    }


def test_the_canary_goes_first_and_agents_in_pairs(lab: Lab) -> None:
    before = moments(lab, "InactiveExit")
    lab.succeeds("site", *pods(101))
    begins, ready = moments(lab, "InactiveExit"), moments(lab, "ActiveEnter")
    assert all(begins[machine] > before[machine] for machine in MACHINES), (before, begins)
    assert ready[CANARY] < begins["server1"]
    assert ready["server1"] < min(begins["agent1"], begins["agent2"])
    assert max(begins["agent1"], begins["agent2"]) < min(ready["agent1"], ready["agent2"])
    assert max(ready["agent1"], ready["agent2"]) < begins["agent3"]


def test_a_bad_canary_ends_it(lab: Lab) -> None:
    before = moments(lab, "InactiveExit")
    lab.on(
        CANARY,
        f"mkdir {BROKEN} && printf '[Service]\\nExecStartPre=/bin/false\\n' > {BROKEN}/broken.conf"
        " && systemctl daemon-reload",
    )
    done = lab.playbook("site", *pods(102))
    assert done.returncode != 0, done.stdout[-3000:]
    assert CANARY in done.stdout + done.stderr
    after = moments(lab, "InactiveExit")
    assert {machine for machine in MACHINES if after[machine] != before[machine]} == {CANARY}
    lab.on(CANARY, f"rm -r {BROKEN} && systemctl daemon-reload")
    lab.succeeds("site", *pods(102))
    now = moments(lab, "InactiveExit")
    assert all(now[machine] > after[machine] for machine in MACHINES)
