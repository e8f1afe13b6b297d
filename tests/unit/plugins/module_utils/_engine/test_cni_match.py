# SPDX-License-Identifier: Apache-2.0
"""Every change of a living cluster's pod network is refused, whoever made the cluster."""

from __future__ import annotations

import itertools
import json
import typing as t

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import cni_match
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.api import ApiError
from ansible_collections.kateskit.klubster.plugins.module_utils._model.cni import PROVIDERS, REMEDY, kept

NETWORKS = ["10.244.0.0/16"]
CHOICES = [(row.name, backend) for row in PROVIDERS.values() for backend in [one.name for one in row.backends] or [""]]


class FakeApi:
    def __init__(self, data: dict[str, str] | None) -> None:
        self._data = data

    def get(self, path: str) -> dict[str, t.Any]:
        assert path == cni_match.RECORD
        if self._data is None:
            raise ApiError("not found", 404)
        return {"data": self._data}

    def ready(self) -> bool:
        return True

    def patch(self, path: str, body: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        raise AssertionError(f"nothing is changed: {path} {body}")

    post = patch

    def delete(self, path: str) -> None:
        raise AssertionError(f"nothing is removed: {path}")


def living(provider: str, backend: str, **changes: t.Any) -> FakeApi:
    options = {"networks": NETWORKS, "service_proxy": False} | changes
    return FakeApi({"fixed": json.dumps(kept(provider, backend, **options))})


def wanted(provider: str, backend: str, **changes: t.Any) -> dict[str, str]:
    return kept(provider, backend, **({"networks": NETWORKS, "service_proxy": False} | changes))


@pytest.mark.parametrize(("have", "want"), list(itertools.permutations(CHOICES, 2)))
def test_each_change_of_provider_or_backend_is_refused(have: tuple[str, str], want: tuple[str, str]) -> None:
    problems = cni_match.refused(living(*have), wanted(*want))
    variable = "klubster_cni" if have[0] != want[0] else "klubster_cni_backend"
    assert variable in [problem.variable for problem in problems]
    assert all(problem.remedy == REMEDY for problem in problems)
    first = next(problem for problem in problems if problem.variable == variable)
    assert (first.value, f"has {(have[0] if have[0] != want[0] else have[1])!r}" in first.rule) == (
        want[0] if have[0] != want[0] else want[1],
        True,
    )


@pytest.mark.parametrize("choice", CHOICES)
def test_the_same_choice_is_taken(choice: tuple[str, str]) -> None:
    assert cni_match.refused(living(*choice), wanted(*choice)) == []


@pytest.mark.parametrize("choice", [choice for choice in CHOICES if choice[0] != "none"])
def test_another_network_is_refused(choice: tuple[str, str]) -> None:
    found = cni_match.refused(living(*choice), wanted(*choice, networks=["10.42.0.0/16"]))
    assert [(problem.variable, problem.value) for problem in found] == [("klubster_pod_network", "10.42.0.0/16")]


@pytest.mark.parametrize("provider", ["kube_router", "cilium"])
@pytest.mark.parametrize("before", [True, False])
def test_another_service_proxy_is_refused(provider: str, before: bool) -> None:
    backend = PROVIDERS[provider].backends[0].name
    api = living(provider, backend, service_proxy=before)
    found = cni_match.refused(api, wanted(provider, backend, service_proxy=not before))
    assert [problem.variable for problem in found] == ["klubster_cni_service_proxy"]


@pytest.mark.parametrize("data", [None, {}, {"fixed": "no json"}, {"fixed": "[]"}])
def test_a_cluster_that_says_nothing_is_asked_nothing(data: dict[str, str] | None) -> None:
    assert cni_match.refused(FakeApi(data), wanted("cilium", "vxlan")) == []


def test_nothing_is_asked_where_nothing_is_known() -> None:
    assert cni_match.refused(FakeApi({"fixed": '{"provider": "flannel"}'}), {}) == []
