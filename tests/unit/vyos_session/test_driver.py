# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501  Lines of configuration are not cut.
"""What is typed into a router that plays VyOS, and what becomes of it when something goes wrong."""

from __future__ import annotations

import copy
import re
import typing as t

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._router import vyos, vyos_cli, vyos_paths, vyos_session
from ansible_collections.kateskit.klubster.plugins.module_utils._router.frr_apply import Watched
from ansible_collections.kateskit.klubster.plugins.module_utils._router.parse import parse
from ansible_collections.kateskit.klubster.plugins.module_utils._router.vyos_session import VyosError
from grammar import Grammar, refused
from hypothesis import given, settings
from hypothesis import strategies as st
from router import Console, Device
from router_models import FULL, SERVICES, Data, all_services, routers
from router_models import PASSWORDS as PASSWORDS_OF_FULL

FAILED = re.compile(r"\n\s*Invalid command:|\nCommit failed|\n\s+Set failed|\n\s+Delete failed")
NEIGHBOR = {"remote_as": 65001, "ipv4": {}}
MODEL: Data = {
    "bgp": {"asn": 65010, "router_id": "10.0.0.1", "neighbors": {"10.0.0.2": NEIGHBOR, "10.0.0.3": NEIGHBOR}}
}
PASSWORDS = {"10.0.0.2": "h1dden"}
versions = pytest.mark.parametrize("version", vyos.VERSIONS)


class Line:
    """A command line without a network between."""

    def __init__(self, device: Device) -> None:
        self.console = Console(device)

    def ask(self, command: str, *, prompt: str = "", answer: str = "") -> str:
        said = self.console.line(command)
        if prompt and re.search(prompt, self.console.prompt):
            said += self.console.line(answer)
        if FAILED.search(f"\n{said}"):
            raise VyosError(f"The router did not take {command!r}: {said.strip()}")
        return said

    def type(self, commands: t.Sequence[str]) -> None:
        for command in commands:
            self.ask(command)


def way(device: Device) -> vyos_cli.CommandLine:
    return vyos_cli.CommandLine(Line(device))


def converge(
    device: Device,
    model: Data,
    passwords: Data | None = None,
    *,
    watched: Watched = "others",
    foreign: Data | None = None,
    keep: bool = True,
) -> tuple[vyos_session.Plan, vyos_session.Done]:
    subject = parse(model, passwords, foreign)
    device.typed.clear()
    planned = vyos_session.plan(*subject, vyos_session.look(way(device)))
    done = vyos_session.Done()
    if planned.changed:
        change = vyos_session.Change(
            planned, subject, way(device), watched=watched, timeout=3, minutes=5, pause=lambda _: None
        )
        done = change.apply()
    if done.pending and keep:
        vyos_session.confirm(way(device))
    return planned, done


def changed(**more: t.Any) -> Data:
    model = copy.deepcopy(MODEL)
    model["bgp"].update(more)
    return model


def edits(device: Device) -> list[str]:
    return [
        line for line in device.typed if line.startswith(("set protocols", "set policy", "delete ", "commit", "save"))
    ]


@versions
def test_the_first_time_everything_is_typed_and_the_second_nothing(version: str) -> None:
    device = Device(version)
    planned, done = converge(device, MODEL, PASSWORDS)
    assert planned.changed
    assert done.pending
    assert ("protocols", "bgp", "neighbor", "10.0.0.2", "password", "h1dden") in device.running
    assert device.saved == device.running
    assert (device.deadline, device.reboots) == (None, 0)
    planned, done = converge(device, MODEL, PASSWORDS)
    assert not planned.changed
    assert edits(device) == []


def test_looking_changes_nothing() -> None:
    device = Device()
    before = device.running
    subject = parse(MODEL)
    planned = vyos_session.plan(*subject, vyos_session.look(way(device)))
    assert planned.changed
    assert device.running == before
    assert edits(device) == []


def test_the_order_of_a_change() -> None:
    device = Device()
    converge(device, {"prefix_lists": {"a": [{"prefix": "10.0.0.0/8"}]}})
    assert [line for line in device.typed if not line.startswith("show")] == [
        "configure",
        "compare saved",
        "exit discard",
        "configure",
        "set policy prefix-list a rule 10 action permit",
        "set policy prefix-list a rule 10 prefix 10.0.0.0/8",
        "commit-confirm 5",
        "exit discard",
        "configure",
        "confirm",
        "exit discard",
        "configure",
        "save",
        "compare saved",
        "exit discard",
    ]


def test_stale_lines_go_and_others_stay() -> None:
    device = Device()
    converge(device, MODEL)
    device.load(
        "set protocols bgp neighbor 10.0.0.99 remote-as 65099\nset protocols ospf area 0 network 10.0.0.0/8\n"
        "set policy prefix-list theirs rule 1 action permit\nset policy prefix-list theirs rule 1 prefix 10.0.0.0/8"
    )
    converge(device, MODEL)
    assert edits(device) == ["delete protocols bgp neighbor 10.0.0.99", "commit-confirm 5", "save"]
    assert ("protocols", "ospf", "area", "0", "network", "10.0.0.0/8") in device.running
    assert ("policy", "prefix-list", "theirs", "rule", "1", "prefix", "10.0.0.0/8") in device.running


def test_one_neighbour_is_typed_when_one_changes() -> None:
    device = Device()
    converge(device, MODEL)
    dummy, done = converge(
        device, changed(neighbors={"10.0.0.2": NEIGHBOR, "10.0.0.3": {**NEIGHBOR, "description": "x"}})
    )
    assert edits(device)[0] == "set protocols bgp neighbor 10.0.0.3 description x"
    assert len(edits(device)) == 3
    assert done.reset == ()


def test_a_session_that_goes_takes_everything_back() -> None:
    device = Device()
    converge(device, MODEL, PASSWORDS)
    before = device.running

    def loses(path: t.Any) -> bool:
        if path[-1] == "10.0.0.9":
            device.down = {"10.0.0.3"}
        return False

    device.ignores = loses
    with pytest.raises(VyosError) as caught:
        converge(device, changed(router_id="10.0.0.9"), PASSWORDS)
    assert str(caught.value) == ("After 3 s there is no session with 10.0.0.3.\nThe configuration is as it was before.")
    assert device.running == before
    assert (device.deadline, device.reboots) == (None, 0), "the router need not restart"
    device.down = set()
    assert not converge(device, MODEL, PASSWORDS)[0].changed


def test_a_neighbour_whose_own_settings_change_may_go() -> None:
    device = Device()
    converge(device, MODEL)
    device.ignores = lambda _: bool(device.dropped.update({"10.0.0.2": 1}))
    dummy, done = converge(device, MODEL, PASSWORDS)
    assert done.reset == ("10.0.0.2",)
    device.down = {"10.0.0.2"}
    with pytest.raises(VyosError, match=re.escape("no session with 10.0.0.2")):
        converge(device, changed(router_id="10.0.0.9"), PASSWORDS, watched="all")
    converge(device, changed(router_id="10.0.0.9"), PASSWORDS, watched="none")


def filtered(prefix: str, **more: t.Any) -> Data:
    lists = {"services": [{"prefix": prefix, "ge": 32, "le": 32}]}
    return {**changed(**more), "prefix_lists": lists}


def test_routes_are_filtered_again_when_a_filter_changes() -> None:
    device = Device()
    converge(device, filtered("203.0.113.0/24"))
    device.typed.clear()
    converge(device, filtered("198.18.0.0/24"))
    assert device.typed.count('vtysh -c "clear bgp * soft"') == 1
    device.typed.clear()
    converge(device, filtered("198.18.0.0/24", router_id="10.0.0.9"))
    assert 'vtysh -c "clear bgp * soft"' not in device.typed
    device.clear_says = "% bgpd is not running"
    before = device.running
    with pytest.raises(
        VyosError, match="could not be filtered again: % bgpd is not running\nThe configuration is as it"
    ):
        converge(device, filtered("203.0.113.0/24"))
    assert device.running == before


def test_a_new_neighbour_is_taken_back_whole() -> None:
    """A neighbour without anything in it would be refused by the commit that takes it back."""
    device = Device()
    converge(device, MODEL)
    before = device.running
    device.down = {"10.0.0.4"}
    with pytest.raises(VyosError, match="The configuration is as it was before"):
        converge(device, changed(neighbors={**MODEL["bgp"]["neighbors"], "10.0.0.4": NEIGHBOR}), watched="all")
    assert device.running == before


def test_what_is_new_is_taken_back_with_its_node() -> None:
    kept = {("protocols", "bgp", "neighbor", "10.0.0.1", "remote-as", "1"), ("service", "ssh")}
    changed_one = {("protocols", "bgp", "neighbor", "10.0.0.1", "remote-as", "2"), ("service", "ssh", "port", "22")}
    new = {("protocols", "bgp", "neighbor", "10.0.0.2", word, "2") for word in ("remote-as", "description")}
    assert vyos_session.reverse(changed_one | new, kept) == [
        "delete protocols bgp neighbor 10.0.0.1 remote-as 2",
        "delete protocols bgp neighbor 10.0.0.2",
        "delete service ssh port",
        "set protocols bgp neighbor 10.0.0.1 remote-as 1",
        "set service ssh",
    ]


def test_a_commit_that_fails_leaves_no_clock_behind() -> None:
    device = Device()
    before = device.running
    device.load("set interfaces ethernet eth0 address 10.0.0.2/24")
    with pytest.raises(VyosError) as caught:
        converge(device, MODEL, PASSWORDS)
    assert 'Can not configure local address as neighbor "10.0.0.2"' in str(caught.value)
    assert str(caught.value).endswith("The configuration is as it was before.")
    assert device.running > before
    assert device.deadline is None
    device.after(10_000)
    assert device.reboots == 0


def test_what_the_grammar_refuses_is_told_without_a_password() -> None:
    device = Device()
    device.grammar = Grammar("1.5")
    device.grammar._forms = [one for one in device.grammar._forms if "password" not in one[0]]
    before = device.running
    with pytest.raises(VyosError) as caught:
        converge(device, MODEL, PASSWORDS)
    assert "Set failed" in str(caught.value)
    assert "h1dden" not in str(caught.value)
    assert (device.running, device.deadline) == (before, None)


def test_a_line_that_is_not_there_afterwards_takes_everything_back() -> None:
    device = Device()
    before = device.running
    device.ignores = lambda path: "router-id" in path
    with pytest.raises(VyosError) as caught:
        converge(device, MODEL, PASSWORDS)
    assert "It lacks:\nset protocols bgp parameters router-id 10.0.0.1" in str(caught.value)
    assert device.running == before


def test_what_nobody_confirms_the_router_undoes_itself() -> None:
    device = Device()
    before = device.running
    dummy, done = converge(device, MODEL, keep=False)
    assert done.pending
    device.after(299)
    assert device.running != before
    device.after(1)
    assert (device.running, device.reboots) == (before, 1)
    with pytest.raises(VyosError, match="Nothing waits to be confirmed: the time was over"):
        vyos_session.confirm(way(device))
    assert converge(device, MODEL)[1].pending
    assert device.saved == device.running


def test_a_run_that_was_cut_short_before_it_saved_is_finished() -> None:
    device = Device()
    converge(device, MODEL, keep=False)
    way(device).confirm()
    assert device.saved != device.running
    planned, done = converge(device, MODEL)
    assert (planned.changed, done.pending) == (True, False)
    assert device.saved == device.running


def test_what_others_did_not_save_is_saved_before_a_clock_runs() -> None:
    device = Device()
    device.load("set protocols ospf area 0 network 10.0.0.0/8", save=False)
    converge(device, MODEL, keep=False)
    device.after(1000)
    assert ("protocols", "ospf", "area", "0", "network", "10.0.0.0/8") in device.running


@pytest.mark.parametrize(
    ("name", "version"),
    [("1.4.0", "1.4"), ("1.4-rolling-202401010000", "1.4"), ("1.5-rolling-202410060007", "1.5"), ("2025.11.24-0021-rolling", "1.5")],
)  # fmt: skip
def test_the_version_says_the_words(name: str, version: str) -> None:
    assert vyos_session.version_of(f"Version:          VyOS {name}\n") == version


@pytest.mark.parametrize(
    ("shown", "said"),
    [("Version:  VyOS 1.3.8\n", "The router has VyOS 1.3.8, whose words are not known. Upgrade it"), ("Cisco", "Is it one?")],
)  # fmt: skip
def test_other_versions_are_refused(shown: str, said: str) -> None:
    with pytest.raises(VyosError, match=re.escape(said)):
        vyos_session.version_of(shown)


# --- the grammar, which was written apart from what is rendered


@versions
def test_the_grammar_takes_a_router_with_everything(version: vyos.Version) -> None:
    device = Device(version)
    converge(device, {**FULL, **SERVICES}, PASSWORDS_OF_FULL, watched="none")
    assert not converge(device, {**FULL, **SERVICES}, PASSWORDS_OF_FULL, watched="none")[0].changed


@versions
@given(data=st.tuples(routers(), all_services()))
@settings(max_examples=20, deadline=None)
def test_the_grammar_takes_every_line_of_any_router(data: tuple[Data, Data], version: vyos.Version) -> None:
    grammar = Grammar(version)
    for path in vyos.render(parse({**data[0], **data[1]})[0], version):
        fit = grammar.fit(path)
        assert fit is not None and fit.whole, vyos_paths.join(path)


@pytest.mark.parametrize(
    "line",
    [
        "protocols bgp 65010 neighbor 10.0.0.1 remote-as 1",
        "protocols bgp peer-group M timers keepalive 3",
        "protocols bgp neighbor METALLB remote-as 1",
        "protocols bgp neighbor 10.0.0.1 address-family ipv4 route-map in A",
        "protocols bgp neighbor 10.0.0.1 timers hold-time 9",
        "protocols bgp maximum-paths ebgp 8",
        "policy prefix-list A rule 10 prefix 10.0.0.1/24",
        "interfaces ethernet eth0 address 10.0.0.0/24",
        "interfaces ethernet eth0 address 10.0.0.1",
        "nat source rule 10 outbound-interface eth1",
        "nat source rule 10 source address 10.0.0.1/24",
        "firewall name A rule 10 action accept",
        "firewall ipv4 name A rule 10 state established enable",
        "high-availability vrrp group G virtual-address 10.0.0.1",
        "protocols bgp neighbor 10.0.0.1",
        "system host-name a_b.c!",
    ],
)
@versions
def test_the_grammar_refuses_words_of_other_versions(line: str, version: vyos.Version) -> None:
    fit = Grammar(version).fit(tuple(line.split(" ")))
    assert fit is None or not fit.whole


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("protocols bgp parameters router-id 1.1.1.1", "BGP system-as must be defined!"),
        ("protocols bgp system-as 1|protocols bgp neighbor 10.0.0.1 description x", 'Neighbor "10.0.0.1" remote-as must be set!'),
        ("policy prefix-list A rule 10 action permit", 'prefix-list "A" rule "10" needs prefix!'),
        ("nat source rule 10 destination port 5|nat source rule 10 exclude", "nat source rule 10: a port needs the protocol"),
        ("firewall zone A interface eth0|firewall zone B interface eth0", 'Interface "eth0" is in two zones'),
        ("firewall zone A from B firewall name X", 'Zone "A" refers to "B", which does not exist'),
        ("service dns forwarding listen-address 10.0.0.1", "DNS forwarding requires allow-from!"),
        ("service dhcp-server shared-network-name L subnet 10.0.0.0/24 lease 600", "None of the interfaces has an address"),
    ],
)  # fmt: skip
def test_a_commit_refuses_what_is_not_complete(lines: str, said: str) -> None:
    found = refused({tuple(line.split(" ")) for line in lines.split("|")}, "1.4")
    assert any(said in one for one in found), found
