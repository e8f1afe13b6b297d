# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501  What the role says is not cut.
"""The role itself, by ansible-playbook and TLS, against a router that plays VyOS's HTTP API on this machine."""

from __future__ import annotations

import copy
import re
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.filter.router_looks import router_looks
from api import KEY, ApiServing, Rest, certificate
from router import Device
from router_models import Data
from runs import play

SECRET = "h1dden-from-all"
OTHER_KEY = "another-k3y"
NEIGHBOR = {"remote_as": 65001, "ipv4": {"prefix_list_in": "services"}}
MODEL: Data = {
    "prefix_lists": {"services": [{"prefix": "203.0.113.0/24", "ge": 32, "le": 32}]},
    "bgp": {
        "asn": 65010,
        "router_id": "10.255.0.2",
        "neighbors": {"10.10.0.11": NEIGHBOR, "10.10.0.12": {**NEIGHBOR, "description": "a long one"}},
    },
}


@dataclass
class Lab:
    """A router, and runs on it."""

    rest: Rest
    serving: ApiServing
    folder: Path
    model: Data = field(default_factory=lambda: copy.deepcopy(MODEL))

    @property
    def device(self) -> Device:
        return self.rest.device

    def converge(self, *flags: str, **more: t.Any) -> tuple[int, str, dict[str, t.Any]]:
        """Run the role, with all that its router has by default; None leaves a variable out."""
        host: Data = {
            "ansible_host": "127.0.0.1",
            "router_kind": "vyos",
            "router_connection": "http_api",
            "router_api_port": self.serving.port,
            "router_api_key": KEY,
            "router_api_ca_file": str(self.serving.certificate),
            "router_api_timeout": 20,
            "router_model": self.model,
            "router_passwords": {"10.10.0.11": SECRET},
            "router_timeout": 1,
        }
        host = {
            name: value
            for name, value in {**host, **more}.items()
            if value is not None and name not in ("others", "made")
        }
        given = {name: more[name] for name in ("gathered", "api", "look", "made", "others") if name in more}
        self.device.typed.clear()
        return play(self.folder, host, (SECRET, KEY, OTHER_KEY), *flags, **given)


def edits(lab: Lab) -> list[str]:
    return [line for line in lab.device.typed if re.match(r"delete |commit|confirm|save", line)]


@pytest.fixture
def lab(tmp_path: Path) -> t.Iterator[Lab]:
    rest = Rest(Device("1.5"))
    serving = ApiServing(rest, tmp_path)
    try:
        yield Lab(rest, serving, tmp_path)
    finally:
        serving.close()


def test_check_mode_asks_and_changes_nothing(lab: Lab) -> None:
    before = lab.device.running
    rc, said, found = lab.converge("--check", "--diff")
    assert rc == 0, said
    assert found["router"]["changed"]
    assert "+set protocols bgp neighbor 10.10.0.11 password ********" in said
    assert lab.device.running == before
    assert {endpoint for endpoint, dummy in lab.rest.asked} == {"/show", "/retrieve"}


def test_a_change_is_committed_confirmed_and_saved_once(lab: Lab) -> None:
    rc, said, found = lab.converge("-vvv", "--diff")
    assert rc == 0, said
    assert (found["router"]["changed"], found["router"]["pending"]) == (True, False)
    # Nobody else is waited for between the commit and its confirmation.
    assert "TASK [kateskit.klubster.router : Keep and save the configuration]" not in said
    assert ("protocols", "bgp", "neighbor", "10.10.0.11", "password", SECRET) in lab.device.running
    assert ("protocols", "bgp", "neighbor", "10.10.0.12", "description", "a long one") in lab.device.running
    assert (lab.device.saved, lab.device.deadline) == (lab.device.running, None)
    assert edits(lab) == ["save", "commit", "confirm_time 5", "confirm", "save"]

    path = lab.folder / "key"
    path.write_text(KEY)
    path.chmod(0o600)
    api = {
        "host": "127.0.0.1",
        "port": lab.serving.port,
        "key_file": str(path),
        "ca_file": str(lab.serving.certificate),
    }
    rc, said, found = lab.converge(router_api_key=None, router_api_key_file=str(path), gathered=True, api=api)
    assert rc == 0, said
    assert found["router"]["changed"] is False
    assert edits(lab) == []
    assert (found["found"]["with_password"], found["found"]["strange"]) == (["10.10.0.11"], [])
    assert found["found"]["gathered"]["bgp"]["asn"] == 65010


def test_status_looks_at_sessions(lab: Lab) -> None:
    lab.device.load("set protocols bgp system-as 65010\nset protocols bgp neighbor 10.10.0.11 remote-as 65001")
    lab.device.down = {"10.10.0.11"}
    rc, said, found = lab.converge("--check", look=True)
    assert rc == 0, said
    assert [(one["neighbor"], one["state"]) for one in found["look"]["look"]["sessions"]] == [("10.10.0.11", "Idle")]


def test_status_goes_on_without_a_variable_and_names_it(lab: Lab) -> None:
    rc, said, found = lab.converge(look=True, made=False, router_api_key="{{ vault_r2_key }}")
    assert rc == 0, said
    assert (lab.rest.asked, lab.device.typed) == ([], [])
    (row,) = router_looks({"r2": {"router_kind": "vyos", "__router_look": found["look"]}}, {"routers": ["r2"]})
    assert (row["why"], row["look"]) == ("a variable of it cannot be computed: 'vault_r2_key' is undefined", {})


def test_what_somebody_added_to_our_parts_goes_and_the_rest_stays(lab: Lab) -> None:
    lab.device.load(
        "set protocols bgp neighbor 10.10.0.99 remote-as 65099\nset protocols ospf area 0 network 10.0.0.0/8"
    )
    rc, said, dummy = lab.converge()
    assert rc == 0, said
    assert "delete protocols bgp neighbor 10.10.0.99" in lab.device.typed
    assert ("protocols", "ospf", "area", "0", "network", "10.0.0.0/8") in lab.device.running


@pytest.mark.parametrize("confirms", [True, False])
def test_a_change_without_its_session_is_taken_back(lab: Lab, confirms: bool) -> None:
    lab.rest.confirms = confirms
    before = lab.device.running
    lab.device.down = {"10.10.0.77"}
    lab.model["bgp"]["neighbors"]["10.10.0.77"] = {"remote_as": 65077, "ipv4": {}}
    rc, said, dummy = lab.converge(router_sessions="all")
    assert rc != 0
    assert "After 1 s there is no session with 10.10.0.77." in said
    assert "The configuration is as it was before." in said
    assert (lab.device.running, lab.device.deadline) == (before, None)


def test_a_version_without_a_clock_keeps_what_works(lab: Lab) -> None:
    lab.rest.confirms = False
    rc, said, found = lab.converge()
    assert rc == 0, said
    assert found["router"]["pending"] is False
    assert (lab.device.saved, lab.device.typed[-1]) == (lab.device.running, "save")


def test_a_change_that_locks_us_out_is_undone_by_the_router(lab: Lab) -> None:
    before = lab.device.running

    def locks(endpoint: str) -> bool:
        lab.device.unreachable = lab.device.unreachable or endpoint == "/configure"
        return True

    lab.rest.answers = locks
    rc, said, dummy = lab.converge(router_api_timeout=3)
    assert rc != 0
    assert "Within 5 min the router goes back to what is saved, by itself." in said
    assert lab.device.running != before
    lab.device.after(300)
    assert (lab.device.running, lab.device.reboots) == (before, 1)


def test_what_the_commit_refuses_changes_nothing(lab: Lab) -> None:
    lab.device.load("set interfaces ethernet eth7 address 10.10.0.50/24")
    before = lab.device.running
    lab.model["bgp"]["neighbors"]["10.10.0.50"] = NEIGHBOR
    rc, said, dummy = lab.converge()
    assert rc != 0
    assert "Can not configure local address as neighbor" in said
    assert (lab.device.running, lab.device.deadline) == (before, None)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"router_api_key": OTHER_KEY}, "The router does not know the key."),
        ({"router_api_ca_file": None}, "is not believed: self-signed certificate. Fetch who signed it"),
        ({"router_api_key": None}, "router_api_key = None: The API wants a key, given once."),
        ({"router_api_timeout": 300}, "router_api_timeout = 300: The router goes back after 5 min (router_confirm_minutes)"),
        ({"router_api_port": 1}, "127.0.0.1:1 refused the connection. Is 'service https' on"),
        ({"router_connection": "network_cli", "ansible_connection": "ssh"}, "ansible_connection = 'ssh': VyOS is typed into over network_cli."),
    ],
)  # fmt: skip
def test_what_keeps_us_out_is_told_before_any_change(lab: Lab, given: Data, said: str) -> None:
    before = lab.device.running
    rc, printed, dummy = lab.converge(**given)
    assert rc != 0
    assert said in " ".join(printed.split())
    assert lab.device.running == before


def test_no_router_is_changed_when_one_cannot_be_reached(lab: Lab) -> None:
    before = lab.device.running
    rc, said, dummy = lab.converge(
        "kateskit.klubster.routers", others={"r3": {"router_kind": "vyos", "router_connection": "http_api"}}
    )
    assert rc != 0
    assert "router_api_key = None" in said
    assert lab.device.running == before
    rc, said, dummy = lab.converge("kateskit.klubster.routers")
    assert rc == 0, said
    assert lab.device.saved == lab.device.running != before


def test_a_certificate_for_another_name_is_not_believed(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    serving = ApiServing(lab.rest, folder, "router2.example.com")
    try:
        given = {"router_api_port": serving.port, "router_api_ca_file": str(serving.certificate)}
        rc, said, dummy = lab.converge(**given)
        assert rc != 0
        assert "Reach the router by a name that is in it" in " ".join(said.split())
        rc, said, dummy = lab.converge(
            "--check", router_api_port=serving.port, router_api_ca_file=None, router_api_validate_certs=False
        )
        assert rc == 0, said
    finally:
        serving.close()


def test_another_signer_than_ours_is_not_believed(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    rc, said, dummy = lab.converge(router_api_ca_file=str(certificate(folder)[0]))
    assert rc != 0
    assert "is not believed" in said
    assert lab.rest.asked == []


def test_an_api_that_is_not_switched_on_is_told(lab: Lab) -> None:
    lab.rest.enabled = False
    rc, said, dummy = lab.converge()
    assert rc != 0
    assert "set service https api rest" in said


def test_a_router_that_takes_too_long_is_left_as_it_was(lab: Lab) -> None:
    before = lab.device.running
    lab.rest.slow = [3]
    rc, said, dummy = lab.converge(router_api_timeout=2)
    assert rc != 0
    assert "did not answer to /configure within 2 s" in said
    assert "The configuration is as it was before." in said
    assert edits(lab).count("commit") == 2
    assert (lab.device.running, lab.device.deadline) == (before, None)
