# SPDX-License-Identifier: Apache-2.0
"""Debian 13, and machines that fetch the release themselves: a cluster is made, run again, and taken back.

Goes by name. The release is the stand-in's; a server in the lab's network plays the place where it is published.
"""

from __future__ import annotations

import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from causes import unchanged
from small_lab import KUBECTL, LAB, RELEASES, SmallLab

NAME = "debian13"
PORT = 8033
VERSION = "1.34.2+k3s1"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[SmallLab]:
    small = SmallLab(tmp_path_factory.mktemp("debian13") / "inventory", NAME)
    small.define(
        base="debian-13",
        klubster_engine_version=VERSION,
        klubster_engine_source="release",
        klubster_engine_download="nodes",
        klubster_engine_mirrors=f"['http://{LAB}:1', 'http://{LAB}:{PORT}']",
        klubster_engine_images="tar",
        klubster_layers_source="bundle",
    )
    small.playbook("lab_up")
    try:
        yield small
    finally:
        small.playbook("lab_down")


@pytest.fixture(scope="module")
def asked(lab: SmallLab, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Path]:
    """What was asked of the place where the release is published; the mirror before it does not answer."""
    log = tmp_path_factory.mktemp("served") / "asked"
    serve = [sys.executable, "-m", "http.server", str(PORT), "--bind", LAB, "--directory", str(RELEASES)]
    with log.open("wb") as stream:
        server = subprocess.Popen(["nsenter", f"--net=/run/netns/klab-{lab.name}", *serve], stderr=stream)
        try:
            yield log
        finally:
            server.terminate()
            server.wait(timeout=10)


def test_a_cluster_is_made_and_each_machine_fetches_for_itself(lab: SmallLab, asked: Path) -> None:
    lab.playbook("site")
    nodes = lab.on("server1", f"{KUBECTL} get nodes -o wide --no-headers").splitlines()
    assert len(nodes) == 2
    assert all(" Ready " in node and "(trixie)" in node for node in nodes), nodes
    fetched = re.findall(r'^(\S+) .*"GET /v1\.34\.2%2Bk3s1/(\S+) .*" 200', asked.read_text(), re.MULTILINE)
    files = {"k3s", "k3s-airgap-images-amd64.tar", "sha256sum-amd64.txt"}
    assert set(fetched) == {(address, file) for address in ("10.83.0.11", "10.83.0.21") for file in files}
    for machine in ("server1", "agent1"):
        # Only the list stays, which tells later runs what the program must be.
        assert lab.on(machine, "ls /var/lib/klubster/releases/v1.34.2+k3s1").split() == ["sha256sum-amd64.txt"]


def test_run_again_nothing_changes_and_nothing_is_fetched(lab: SmallLab, asked: Path) -> None:
    before = asked.read_text()
    said = lab.playbook("site")
    assert unchanged(said), said[-3000:]
    assert asked.read_text() == before


def test_reset_leaves_nothing(lab: SmallLab) -> None:
    lab.playbook("reset", "-e", "klubster_reset=lab")
    for machine in ("server1", "agent1"):
        left = "ls -d /var/lib/klubster /etc/rancher /usr/local/bin/k3s; ls -A /var/lib/rancher; ip -br link"
        assert not re.search(r"/|k3s|cni0|flannel", lab.on(machine, left, check=False))
