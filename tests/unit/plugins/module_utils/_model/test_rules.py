# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re
import typing as t

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._model import rules
from hypothesis import given
from hypothesis import strategies as st

LABEL = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
RULES: list[t.Callable[[str], str]] = [
    rules.dns_label,
    rules.dns_name,
    rules.label_key,
    rules.label_value,
    rules.taint,
    rules.absolute_path,
    rules.interface,
    rules.image,
    lambda text: rules.engine_version(text, "kubeadm"),
]


@given(LABEL)
def test_every_label_is_taken_as_it_is(text: str) -> None:
    assert rules.dns_label(text) == text
    assert rules.dns_name(text) == text
    assert rules.label_value(text) == text


@given(st.lists(LABEL, min_size=1, max_size=3))
def test_names_of_labels_are_taken(parts: list[str]) -> None:
    assert rules.dns_name(".".join(parts)) == ".".join(parts)


@given(st.text(max_size=80))
def test_any_text_is_taken_or_refused_with_rule_and_remedy(text: str) -> None:
    for rule in RULES:
        try:
            assert rule(text) == text
        except rules.Refused as exc:
            assert exc.rule.endswith((".", "x."))
            assert exc.remedy


@given(st.text(max_size=80))
def test_the_name_suggested_is_one_that_is_allowed(text: str) -> None:
    for rule in (rules.dns_label, rules.dns_name, lambda name: rules.dns_name(name, longest=63)):
        try:
            rule(text)
        except rules.Refused as exc:
            suggested = re.search(r"'([^']*)'", exc.remedy)
            assert suggested is not None
            assert rule(suggested.group(1)) == suggested.group(1)


@pytest.mark.parametrize("text", ["key=value:NoSchedule", "key:NoExecute", "example.org/key=:PreferNoSchedule"])
def test_taints(text: str) -> None:
    assert rules.taint(text) == text


@pytest.mark.parametrize(
    "text",
    ["disk", "example.org/disk", "topology.kubernetes.io/zone", "node.kubernetes.io/class", "kubelet.kubernetes.io/a"],
)
def test_label_keys_of_the_user(text: str) -> None:
    assert rules.label_key(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "kube-vip:v1.1.2",
        "ghcr.io/kube-vip/kube-vip:v1.1.2",
        "localhost:5000/a/b__c/d.e:1_2.3-x",
        f"registry.example.org/kube-vip@sha256:{'0a' * 32}",
        f"registry.example.org/kube-vip:v1@sha256:{'0a' * 32}",
    ],
)
def test_images(text: str) -> None:
    assert rules.image(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "kube-vip", "host:5000/kube-vip", "Kube-Vip:v1", "a//b:v1", "a:v1 ", "a:", "a@sha256:0a", "http://a:v1"],
)
def test_images_that_no_machine_takes_or_each_its_own(text: str) -> None:
    with pytest.raises(rules.Refused):
        rules.image(text)


def test_the_nearest_name() -> None:
    assert rules.nearest("adresses", ("addresses", "name")) == "addresses"
    assert rules.nearest("zzz", ("addresses", "name")) is None
