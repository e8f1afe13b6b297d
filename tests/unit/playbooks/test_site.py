# SPDX-License-Identifier: Apache-2.0
"""Conditions of site.yml that decide by what the look has found."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

SITE = Path(__file__).resolve().parents[3] / "playbooks" / "site.yml"
LACKING: dict[str, t.Any] = {"layers": {"none": {"lacking": ["api_address"]}}}
NOTHING: dict[str, t.Any] = {"layers": {"none": {"lacking": []}, "machine": {"lacking": ["settings"]}}}


def conditions(name: str) -> list[str]:
    """Of the last task that imports this role."""
    plays = yaml.safe_load(SITE.read_text(encoding="utf-8"))
    roles = [task for play in plays for task in play.get("tasks") or () if "ansible.builtin.import_role" in task]
    imported = (task for task in roles if task["ansible.builtin.import_role"]["name"] == f"kateskit.klubster.{name}")
    *dummy, found = (task["when"] for task in imported)
    return [found] if isinstance(found, str) else list(found)


def runs(name: str, variables: dict[str, t.Any]) -> bool:
    """Whether the role's conditions hold."""
    templar = Templar(loader=DataLoader(), variables=variables)
    return all(templar.evaluate_conditional(trust_as_template(text)) for text in conditions(name))


@pytest.mark.parametrize(
    ("provider", "look", "host", "wanted"),
    [
        ("keepalived", NOTHING, "s1", True),
        ("kube_vip", {"layers": {}}, "s1", True),
        ("kube_vip", None, "a1", False),
        # There is nothing to do unless another provider was there, and without a look it may have been.
        ("none", NOTHING, "s1", False),
        ("none", LACKING, "s1", True),
        ("none", None, "s1", True),
        ("none", None, "a1", False),
    ],
)
def test_the_apis_address_is_looked_after_on_servers(
    provider: str, look: dict[str, t.Any] | None, host: str, wanted: bool
) -> None:
    variables: dict[str, t.Any] = {
        "klubster_plan": {"api": {"provider": provider}, "servers": ["s1"]},
        "inventory_hostname": host,
        **({"__preflight_probe": look} if look is not None else {}),
    }
    assert runs("api_address", variables) is wanted


@pytest.mark.parametrize(
    ("seen", "written", "kubeconfig", "layers"),
    [
        ({"lacking": []}, False, False, False),
        ({"lacking": ["kubeconfig"]}, False, True, False),
        ({"lacking": ["storage-local-path"]}, False, False, True),
        ({"lacking": ["kubeconfig", "cni"]}, False, True, True),
        # Nobody looked: the cluster has just begun, or tags left the look out.
        ({"skipped": True}, False, True, True),
        (None, False, True, True),
        # It was written while the cluster began; what stands above the engine has only begun.
        ({"skipped": True}, True, False, True),
    ],
)
def test_layers_that_lack_something_are_looked_after(
    seen: dict[str, t.Any] | None, written: bool, kubeconfig: bool, layers: bool
) -> None:
    variables: dict[str, t.Any] = {"klubster_has_kubeconfig": written}
    if seen is not None:
        variables["klubster_seen"] = seen
    assert (runs("kubeconfig", variables), runs("layers", variables)) == (kubeconfig, layers)
