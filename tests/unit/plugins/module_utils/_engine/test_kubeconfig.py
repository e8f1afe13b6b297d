# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import kubeconfig
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.kubeconfig import Credentials, KubeconfigError

GIVEN = Credentials("Y2E=", "Y2VydA==", "a2V5")
KUBEADMS = """apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: Y2E=
    server: https://api.home.internal:6443
  name: home
users:
- name: kubernetes-admin
  user:
    client-certificate-data: Y2VydA==
    client-key-data: a2V5
"""


def test_reads_what_kubeadm_wrote(tmp_path: Path) -> None:
    path = tmp_path / "admin.conf"
    assert kubeconfig.read(path) is None
    path.write_text(KUBEADMS)
    assert kubeconfig.read(path) == GIVEN
    path.write_text(KUBEADMS.replace("client-key-data", "client-key"))
    with pytest.raises(KubeconfigError, match="has no client-key-data"):
        kubeconfig.read(path)


def test_what_is_written_is_a_kubeconfig() -> None:
    data = yaml.safe_load(kubeconfig.render("home", "https://192.0.2.11:6443", GIVEN))
    assert data["current-context"] == data["contexts"][0]["name"]
    assert data["clusters"][0]["cluster"] == {
        "server": "https://192.0.2.11:6443",
        "certificate-authority-data": "Y2E=",
    }
    assert data["users"][0]["user"] == {"client-certificate-data": "Y2VydA==", "client-key-data": "a2V5"}
    assert data["contexts"][0]["context"]["user"] == data["users"][0]["name"]


def test_written_once_with_a_closed_mode(tmp_path: Path) -> None:
    path, text = tmp_path / "a/home.yaml", kubeconfig.render("home", "https://x:1", GIVEN)
    assert kubeconfig.plan(path, "home", text) == "create"
    kubeconfig.apply(path, "create", text)
    assert path.stat().st_mode & 0o777 == 0o600
    assert kubeconfig.plan(path, "home", text) == ""
    path.chmod(0o644)
    assert kubeconfig.plan(path, "home", text) == "mode"
    kubeconfig.apply(path, "mode", text)
    assert path.stat().st_mode & 0o777 == 0o600
    assert kubeconfig.plan(path, "home", text + "x") == "replace"
    assert kubeconfig.plan(path, "home", None) == "remove"
    kubeconfig.apply(path, "remove", None)
    assert kubeconfig.plan(path, "home", None) == ""


@pytest.mark.parametrize("theirs", [KUBEADMS, "", kubeconfig.render("home2", "https://x:1", GIVEN)])
def test_a_file_of_others_is_never_touched(tmp_path: Path, theirs: str) -> None:
    path = tmp_path / "home.yaml"
    path.write_text(theirs)
    with pytest.raises(
        KubeconfigError, match=r"klubster_kubeconfig = .*not written for the cluster 'home'.*not touched"
    ):
        kubeconfig.plan(path, "home", kubeconfig.render("home", "https://x:1", GIVEN))
    assert kubeconfig.plan(path, "home", None) == ""
    assert path.read_text() == theirs
