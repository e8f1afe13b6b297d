# SPDX-License-Identifier: Apache-2.0
"""What every backend of the lab must do. A backend's tests inherit from the class and provide the fixture `backend`."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.backend import Backend
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.definition import Lab, parse_lab

DEFINITION: dict[str, t.Any] = {
    "name": "contract",
    "segments": {"lan": {"network": "10.77.0.0/24"}},
    "machines": {
        "one": {"addresses": {"lan": "10.77.0.11"}, "memory": "512M"},
        "two": {"addresses": {"lan": "10.77.0.12"}},
    },
}


def lab(change: t.Callable[[dict[str, t.Any]], object] = len, name: str | None = None) -> Lab:
    """The contract's lab, after a change to its definition."""
    data = copy.deepcopy(DEFINITION)
    change(data)
    return parse_lab(data, name=name)


class BackendContract:
    """The verbs, each called once and again."""

    def life_of(self, machine: str) -> object:
        """Something that is different after the machine was started anew; None when the backend has no such thing."""
        del machine
        return None

    def powers(self, backend: Backend, name: str = "contract") -> dict[str, str]:
        return {machine: found.power for machine, found in backend.observe(name).machines.items()}

    def test_there_is_nothing_at_first(self, backend: Backend) -> None:
        assert not backend.exists("contract")
        assert backend.leftovers("contract") == []
        assert backend.observe("contract").machines == {}
        assert backend.down("contract") is False

    def test_check_mode_says_what_up_would_do_and_does_nothing(self, backend: Backend) -> None:
        changes = backend.up(lab(), check=True)
        assert changes.start == ("one", "two")
        assert not backend.exists("contract")

    def test_up_starts_all_and_again_changes_nothing(self, backend: Backend) -> None:
        assert backend.up(lab()).start == ("one", "two")
        assert self.powers(backend) == {"one": "running", "two": "running"}
        lives = [self.life_of(one) for one in ("one", "two")]
        assert backend.up(lab()).empty
        assert backend.up(lab(), check=True).empty
        assert lives == [self.life_of(one) for one in ("one", "two")]

    def test_machines_come_and_go_and_others_are_not_touched(self, backend: Backend) -> None:
        def change(data: dict[str, t.Any]) -> None:
            del data["machines"]["two"]
            data["machines"]["three"] = {"addresses": {"lan": "10.77.0.13"}}

        backend.up(lab())
        life = self.life_of("one")
        changes = backend.up(lab(change))
        assert (changes.remove, changes.start, changes.restart) == (("two",), ("three",), ())
        assert self.powers(backend) == {"one": "running", "three": "running"}
        assert self.life_of("one") == life

    def test_a_new_limit_needs_no_new_start(self, backend: Backend) -> None:
        backend.up(lab())
        life = self.life_of("one")
        changed = lab(lambda data: data["machines"]["one"].update(memory="1G"))
        changes = backend.up(changed)
        assert (changes.limit, changes.restart) == (("one",), ())
        assert backend.observe("contract").machines["one"].memory == 1 << 30
        assert self.life_of("one") == life
        assert backend.up(changed).empty

    def test_a_new_address_needs_a_new_start(self, backend: Backend) -> None:
        backend.up(lab())
        life = self.life_of("two")
        changed = lab(lambda data: data["machines"]["one"].update(addresses={"lan": "10.77.0.19"}))
        assert backend.up(changed).restart == ("one",)
        assert self.life_of("two") == life
        assert backend.up(changed).empty

    @pytest.mark.parametrize("orderly", [False, True])
    def test_power_goes_off_and_on(self, backend: Backend, orderly: bool) -> None:
        backend.up(lab())
        assert backend.power_off("contract", ["one"], orderly=orderly, check=True) == ("one",)
        assert self.powers(backend) == {"one": "running", "two": "running"}
        assert backend.power_off("contract", ["one", "two"], orderly=orderly) == ("one", "two")
        assert self.powers(backend) == {"one": "off", "two": "off"}
        assert backend.power_off("contract", ["one"], orderly=orderly) == ()
        assert backend.power_on("contract", ["one"], check=True) == ("one",)
        assert backend.power_on("contract", ["one"]) == ("one",)
        assert backend.power_on("contract", ["one"]) == ()
        assert self.powers(backend) == {"one": "running", "two": "off"}

    def test_up_starts_what_is_off(self, backend: Backend) -> None:
        backend.up(lab())
        life = self.life_of("two")
        backend.power_off("contract", ["one"])
        assert backend.up(lab()).start == ("one",)
        assert self.powers(backend) == {"one": "running", "two": "running"}
        assert self.life_of("two") == life

    def test_an_unknown_machine_is_refused(self, backend: Backend) -> None:
        backend.up(lab())
        for switch in (backend.power_off, backend.power_on):
            with pytest.raises(InvalidInput, match=r"has no such machine\. It has one, two"):
                switch("contract", ["three"])

    def test_down_leaves_nothing(self, backend: Backend) -> None:
        backend.up(lab())
        assert backend.down("contract", check=True) is True
        assert self.powers(backend) == {"one": "running", "two": "running"}
        assert backend.leftovers("contract") != []
        assert backend.down("contract") is True
        assert backend.leftovers("contract") == []
        assert not backend.exists("contract")
        assert backend.down("contract") is False

    def test_labs_with_the_same_addresses_do_not_meet(self, backend: Backend) -> None:
        backend.up(lab())
        backend.up(lab(name="contract2"))
        try:
            assert self.powers(backend, "contract2") == {"one": "running", "two": "running"}
            backend.power_off("contract2", ["one"])
            assert self.powers(backend) == {"one": "running", "two": "running"}
        finally:
            backend.down("contract2")
        assert backend.leftovers("contract2") == []
        assert self.powers(backend) == {"one": "running", "two": "running"}


__all__ = ("DEFINITION", "BackendContract", "lab")
