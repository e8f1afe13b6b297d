# SPDX-License-Identifier: Apache-2.0
"""Three and five servers by k3s: they join one after the other, and the API outlives the loss of any minority of them.

What is seen from outside is seen by tests/verify/test_outages.py. Asked for by name (--all-causes).
"""

from __future__ import annotations

import os
import subprocess
import time
import typing as t
from dataclasses import dataclass

import pytest
from causes import BIN, ROOT, Lab, have_k3s, inventory

pytestmark = pytest.mark.more
#: servers, what of the outages is tried: all of it with three
MADE = [(3, ""), (5, "minority")]


@dataclass(frozen=True)
class Cluster:
    """As many servers as a test wants."""

    lab: Lab
    servers: tuple[str, ...]
    outages: str
    seconds: float


@pytest.fixture(scope="module", params=MADE, ids=["three", "five"])
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Cluster]:
    count, outages = request.param
    have_k3s()
    servers = tuple(f"server{number}" for number in range(1, count + 1))
    # No agents, so nothing that wants to run beside the control plane.
    own = {
        "klubster_images": [],
        "klubster_load_balancer": "none",
        "klubster_pools": [],
        "klubster_storage": {"local_path": {"enabled": False}},
    }
    folder = tmp_path_factory.mktemp("inventory") / "lab"
    source = inventory("lab_k3s", folder, dict.fromkeys(servers, "servers"), **own)
    lab = Lab(f"many-{count}", (source,))
    with lab.running():
        began = time.monotonic()
        lab.succeeds("site")
        yield Cluster(lab, servers, outages, time.monotonic() - began)


def test_servers_join_one_after_the_other(cluster: Cluster) -> None:
    print(f"{len(cluster.servers)} servers by k3s: {cluster.seconds:.0f} s")
    begins = {server: cluster.lab.moment(server, "k3s", "InactiveExit") for server in cluster.servers}
    ready = {server: cluster.lab.moment(server, "k3s", "ActiveEnter") for server in cluster.servers}
    for before, after in zip(cluster.servers, cluster.servers[1:], strict=False):
        assert ready[before] < begins[after], f"{after} began before {before} was ready"


def test_another_run_changes_nothing(cluster: Cluster) -> None:
    done = cluster.lab.playbook("site")
    assert done.returncode == 0, done.stdout[-3000:]
    recap = done.stdout.partition("PLAY RECAP")[2]
    assert "changed=0" in recap
    assert not any(f"changed={count}" in recap for count in range(1, 10)), recap


def test_the_api_outlives_what_it_shall(cluster: Cluster) -> None:
    source = cluster.lab.inventories[0]
    argv = [str(BIN / "pytest"), "-q", "-s", "tests/verify/test_outages.py", "--outages", f"--inventory={source}"]
    argv += ["-k", cluster.outages] if cluster.outages else []
    environment = {**os.environ, "KLUBSTER_LAB_NAME": cluster.lab.name}
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
