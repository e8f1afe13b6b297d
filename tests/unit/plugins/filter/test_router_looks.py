# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.filter.router_looks import FilterModule, router_looks


def row(**variables: t.Any) -> dict[str, t.Any]:
    (found,) = router_looks({"router3": variables}, {"routers": ["router3"]})
    return found


def test_a_router_that_was_looked_at() -> None:
    found = row(ansible_host="198.51.100.1", __status_router={"changed": False, "look": {"frr": "runs"}})
    assert found == {
        "name": "router3",
        "kind": "frr",
        "addresses": ["198.51.100.1"],
        "why": "",
        "look": {"frr": "runs"},
    }


def test_one_that_was_not_reached() -> None:
    said = "Task failed: Failed to connect to the host via ssh: timed out\nand more"
    model = {"interfaces": {"eth1": {"addresses": ["192.0.2.1/24"]}, "eth2": None}}
    found = row(ansible_host="198.51.100.1", router_model=model, __status_router={"unreachable": True, "msg": said})
    assert found["why"] == "Failed to connect to the host via ssh: timed out"
    assert (found["look"], found["addresses"]) == ({}, ["192.0.2.1/24", "198.51.100.1"])


def test_one_whose_look_failed_and_one_that_nobody_asked() -> None:
    assert row(__status_router={"failed": True, "msg": "FRR did not answer"})["why"] == "FRR did not answer"
    assert row(__status_router={"failed": True})["why"] == "it said nothing"
    assert row()["why"] == ""


def test_a_variable_that_is_not_there_is_named() -> None:
    said = (
        "Task failed: Finalization of task args for 'kateskit.klubster.vyos_router' failed: Error while resolving value"
        " for 'api': 'vault_r2_key' is undefined"
    )
    found = row(router_kind="vyos", __router_look={"failed": True, "msg": said})
    assert found["why"] == "a variable of it cannot be computed: 'vault_r2_key' is undefined"
    said = "1 problem in the input; nothing was changed.\n  - api.key = None: The API wants a key, given once."
    found = row(router_kind="vyos", __router_look={"failed": True, "msg": said})
    assert found["why"] == "router_api_key = None: The API wants a key, given once."


def test_one_of_another_kind_is_no_fault() -> None:
    found = row(router_kind="vyos", __status_router={"skipped": True})
    assert (found["kind"], found["why"], found["look"]) == ("vyos", "", {})


def test_a_task_that_was_skipped_does_not_count() -> None:
    found = row(router_kind="vyos", __status_router={"skipped": True}, __router_look={"look": {"frr": "runs"}})
    assert (found["kind"], found["look"]) == ("vyos", {"frr": "runs"})
    found = row(__status_router={"look": {"frr": "runs"}}, __router_look={"skipped": True})
    assert found["look"] == {"frr": "runs"}


class Broken(dict[str, t.Any]):
    """Variables of which one is a template that cannot be read now."""

    def __getitem__(self, key: str) -> t.Any:
        if key == "router_model":
            raise ValueError("undefined")
        return super().__getitem__(key)


def test_a_template_of_anothers_does_not_end_it() -> None:
    variables = Broken(router_model="{{ nothing }}", ansible_host="198.51.100.1")
    (found,) = router_looks({"router3": variables}, {"routers": ["router3"]})
    assert found["addresses"] == ["198.51.100.1"]


def test_without_routers_there_is_nothing() -> None:
    assert router_looks({}, {}) == []
    assert list(FilterModule().filters()) == ["router_looks"]
