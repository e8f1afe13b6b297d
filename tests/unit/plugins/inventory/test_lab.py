# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible_collections.kateskit.klubster.plugins.inventory.lab import InventoryModule

DEFINITION = """\
plugin: kateskit.klubster.lab
name: lab
segments:
  lan: {network: 10.77.0.0/24}
machines:
  one:
    groups: [servers]
    addresses: {lan: 10.77.0.11}
    vars: {mine: "{{ lab_name }}"}
  two:
    addresses: {lan: 10.77.0.12}
"""


def parse(path: Path) -> InventoryData:
    inventory = InventoryData()
    InventoryModule().parse(inventory, DataLoader(), str(path))
    inventory.reconcile_inventory()
    return inventory


@pytest.fixture
def definition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # It would win over the name in the file.
    monkeypatch.delenv("KLUBSTER_LAB_NAME", raising=False)
    path = tmp_path / "lab.yml"
    path.write_text(textwrap.dedent(DEFINITION))
    return path


@pytest.mark.parametrize(
    ("name", "mine"), [("lab.yml", True), ("big.lab.yaml", True), ("hosts.yml", False), ("lab.ini", False)]
)
def test_files_are_told_by_their_names(tmp_path: Path, name: str, mine: bool) -> None:
    (tmp_path / name).touch()
    assert InventoryModule().verify_file(str(tmp_path / name)) is mine


def test_machines_are_hosts(definition: Path) -> None:
    inventory = parse(definition)
    assert set(inventory.hosts) == {"one", "two", "lab_controller"}
    assert [host.name for host in inventory.groups["servers"].hosts] == ["one"]
    assert inventory.hosts["one"].vars["ansible_host"] == "10.77.0.11"
    assert inventory.hosts["one"].vars["mine"] == "{{ lab_name }}"
    assert inventory.groups["all"].vars["lab_name"] == "lab"
    assert inventory.groups["all"].vars["lab_definition"] == str(definition)


def test_the_environment_names_the_lab(definition: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLUBSTER_LAB_NAME", "second")
    inventory = parse(definition)
    assert inventory.groups["all"].vars["lab_network_namespace"] == "/run/netns/klab-second"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("10.77.0.12", "10.77.0.11", "it belongs to one"),
        ("plugin: kateskit.klubster.lab", "plugin: other", "is no definition of a lab"),
        ("name: lab", "name: Lab", "it must be a DNS label"),
    ],
)
def test_a_bad_definition_is_refused_with_its_file(definition: Path, old: str, new: str, message: str) -> None:
    definition.write_text(definition.read_text().replace(old, new))
    with pytest.raises(AnsibleParserError, match=message) as refused:
        parse(definition)
    assert str(definition) in str(refused.value)
