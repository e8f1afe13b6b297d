# SPDX-License-Identifier: Apache-2.0
"""The artefact for Galaxy: what is in it, and that it works where nothing but the artefact is installed."""

from __future__ import annotations

import json
import tarfile
import typing as t
from pathlib import Path

import pytest

#: parts of the repository that users have no use for, or must never get (the stand-in for k3s)
NOT_SHIPPED = (".ansible", ".ci", ".config", ".git", ".venv", "Makefile", "build", "molecule", "tests")
SHIPPED = (
    "meta/runtime.yml",
    "playbooks/site.yml",
    "playbooks/plan.yml",
    "playbooks/reset.yml",
    "README.md",
    "LICENSE",
)


@pytest.fixture(scope="module")
def artefact(tool: t.Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artefact")
    tool("ansible-galaxy", "collection", "build", "--output-path", folder, ".")
    (path,) = folder.glob("kateskit-klubster-*.tar.gz")
    return path


@pytest.fixture(scope="module")
def names(artefact: Path) -> set[str]:
    with tarfile.open(artefact) as archive:
        return {member.name.removeprefix("./") for member in archive.getmembers() if member.isfile()}


@pytest.fixture(scope="module")
def elsewhere(tool: t.Any, artefact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of collections that holds the installed artefact and nothing else, and no ansible.cfg of ours."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "ansible.cfg").write_text("[defaults]\nlocalhost_warning = False\n", encoding="utf-8")
    tool(
        "ansible-galaxy", "collection", "install", "--offline", "--no-deps", "-p", folder / "collections", artefact,
        cwd=folder, env=settings(folder),
    )  # fmt: skip
    return folder


def settings(folder: Path) -> dict[str, str]:
    return {
        "ANSIBLE_COLLECTIONS_PATH": str(folder / "collections"),
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "HOME": str(folder),
    }


def test_holds_what_users_need(names: set[str]) -> None:
    assert [name for name in SHIPPED if name not in names] == []


def test_keeps_out_what_is_ours(names: set[str]) -> None:
    assert sorted(name for name in names if name.split("/")[0] in NOT_SHIPPED) == []
    assert sorted(name for name in names if "standin" in name or name.endswith((".pyc", ".tar.gz"))) == []


def test_manifest_names_the_collection(artefact: Path) -> None:
    with tarfile.open(artefact) as archive:
        handle = archive.extractfile("MANIFEST.json")
        assert handle is not None
        info = json.load(handle)["collection_info"]
    assert (info["namespace"], info["name"]) == ("kateskit", "klubster")


def test_every_playbook_is_found_by_its_full_name(tool: t.Any, names: set[str], elsewhere: Path) -> None:
    playbooks = sorted(
        name.removeprefix("playbooks/").removesuffix(".yml")
        for name in names
        if name.startswith("playbooks/") and name.count("/") == 1 and name.endswith(".yml") and ".meta." not in name
    )
    assert "site" in playbooks
    tool(
        "ansible-playbook", "--syntax-check", "-i", "localhost,", *(f"kateskit.klubster.{name}" for name in playbooks),
        cwd=elsewhere, env=settings(elsewhere),
    )  # fmt: skip


HOUSE = """\
all:
  vars:
    klubster_name: house
    klubster_pools:
      - name: web
        addresses: [192.0.2.200-192.0.2.210]
  children:
    servers:
      hosts:
        one: {ansible_host: 192.0.2.11}
    agents:
      hosts:
        two: {ansible_host: 192.0.2.12}
        three: {ansible_host: 192.0.2.13}
"""


def test_plan_judges_an_inventory_from_the_artefact_alone(tool: t.Any, elsewhere: Path) -> None:
    """The whole way: the playbook, its action plugin and the model, with no machine reached."""
    (elsewhere / "house.yml").write_text(HOUSE.replace("192.0.2.200-192.0.2.210", "10.244.3.0/24"), encoding="utf-8")
    with pytest.raises(pytest.fail.Exception, match="klubster_pools"):
        tool(
            "ansible-playbook",
            "kateskit.klubster.plan",
            "-i",
            "house.yml",
            "--tags",
            "always",
            cwd=elsewhere,
            env=settings(elsewhere),
        )
    (elsewhere / "house.yml").write_text(HOUSE, encoding="utf-8")
    tool(
        "ansible-playbook",
        "kateskit.klubster.plan",
        "-i",
        "house.yml",
        "--tags",
        "always",
        cwd=elsewhere,
        env=settings(elsewhere),
    )
