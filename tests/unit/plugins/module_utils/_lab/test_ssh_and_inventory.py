# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._command import run
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.definition import parse_lab
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.inventory import inventory_of
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.paths import LabPaths, cache_folder
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.ssh import client_files, known_hosts, make_key

LAB = parse_lab(
    {
        "name": "lab",
        "segments": {"lan": {"network": "10.77.0.0/24"}, "dmz": {"network": "10.78.0.0/24"}},
        "machines": {
            "one": {
                "groups": ["servers", "special"],
                "addresses": {"lan": "10.77.0.11", "dmz": "10.78.0.11"},
                "vars": {"klubster_labels": {"a": "b"}},
            },
            "two": {"groups": ["servers"], "addresses": {"lan": "10.77.0.12"}},
        },
    }
)
KEYS = {"one": "ssh-ed25519 AAAA1 one", "two": "ssh-ed25519 AAAA2 two"}


def test_known_hosts_hold_every_address() -> None:
    assert known_hosts(LAB, KEYS) == "one,10.77.0.11,10.78.0.11 ssh-ed25519 AAAA1\ntwo,10.77.0.12 ssh-ed25519 AAAA2\n"


def test_ssh_understands_its_settings(tmp_path: Path) -> None:
    paths = LabPaths("lab", tmp_path / "a folder")
    for path, (content, mode) in client_files(LAB, paths, KEYS).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(mode)
    said = subprocess.run(
        ["ssh", "-F", paths.ssh_config, "-G", "one"], capture_output=True, text=True, check=True
    ).stdout
    settings = dict(line.split(" ", 1) for line in said.splitlines() if " " in line)
    assert settings["hostname"] == "10.77.0.11"
    assert settings["user"] == "root"
    assert settings["stricthostkeychecking"] == "true"
    assert settings["proxyusefdpass"] == "yes"
    assert settings["proxycommand"].endswith("/run/netns/klab-lab %h %p")
    assert settings["userknownhostsfile"].endswith("/ssh/known_hosts")
    assert stat.S_IMODE(paths.python.stat().st_mode) == 0o700


def test_a_key_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "ssh" / "key"
    public = make_key(path, "a comment", run)
    assert public.startswith("ssh-ed25519 ")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert make_key(path, "a comment", run) == public
    path.with_name("key.pub").unlink()
    assert make_key(path, "a comment", run) != public, "half a key is made anew"


def test_the_inventory_leads_to_every_machine() -> None:
    paths = LabPaths("lab", Path("/cache"))
    data = inventory_of(LAB, paths, definition="/where/lab.yml")
    assert data.groups == {"servers": ("one", "two"), "special": ("one",)}
    assert data.variables["lab_name"] == "lab"
    assert data.variables["lab_definition"] == "/where/lab.yml"
    one = data.hosts["one"]
    assert one["ansible_host"] == "10.77.0.11"
    assert one["ansible_ssh_common_args"] == "-F /cache/labs/lab/ssh/config"
    assert one["klubster_labels"] == {"a": "b"}
    assert one["lab_addresses"] == {"lan": ["10.77.0.11"], "dmz": ["10.78.0.11"]}
    controller = data.hosts["lab_controller"]
    assert controller == {"ansible_connection": "local", "ansible_python_interpreter": "/cache/labs/lab/python"}


def test_labs_do_not_share_connections() -> None:
    other = parse_lab(
        {
            "name": "other",
            "segments": {"lan": {"network": "10.77.0.0/24"}},
            "machines": {"one": {"addresses": {"lan": "10.77.0.11"}}},
        }
    )
    sockets = {
        inventory_of(lab, LabPaths(lab.name, Path("/cache")), definition="").hosts["one"]["ansible_control_path"]
        for lab in (LAB, other)
    }
    assert len(sockets) == 2


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"XDG_CACHE_HOME": "/x"}, "/x/klubster"),
        ({"HOME": "/home/me"}, "/home/me/.cache/klubster"),
        ({"XDG_CACHE_HOME": "", "HOME": "/home/me"}, "/home/me/.cache/klubster"),
    ],
)
def test_the_cache_is_where_users_expect_it(environment: dict[str, str], folder: str) -> None:
    assert str(cache_folder(environment)) == folder
