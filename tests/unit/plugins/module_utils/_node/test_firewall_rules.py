# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._node import (
    firewall_rules,
    firewalld_rules,
    managed_files,
    nftables_rules,
    ufw_rules,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._node.openings import Openings
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import Record

PLAN: dict[str, t.Any] = {
    "networks": {
        "servers": ["10.0.0.1"],
        "machines": ["10.0.0.1", "10.0.0.2"],
        "pods": ["10.244.0.0/16", "fd00:1::/56"],
        "services": ["10.96.0.0/16"],
        "api": ["192.168.1.0/24"],
    },
    "openings": {
        "server": [
            {"protocol": "tcp", "ports": "6443", "sources": ["machines", "api"]},
            {"protocol": "tcp", "ports": "2379-2380", "sources": ["servers"]},
            {"protocol": "vrrp", "ports": "", "sources": ["servers"]},
            {"protocol": "tcp", "ports": "1-2378,2381-65535", "sources": ["pods"]},
        ],
        "agent": [{"protocol": "udp", "ports": "8472", "sources": ["machines"]}],
    },
    "closed": {"server": {"tcp": "2379-2380,6443"}, "agent": {"udp": "8472"}},
}
SERVER, AGENT = Openings.parse(PLAN, "server"), Openings.parse(PLAN, "agent")
DROPPING = """\
table inet filter {
\tchain input {
\t\ttype filter hook input priority filter; policy drop;
\t}
\tchain other {
\t}
}
"""


@dataclass
class Shell:
    """Plays nft, ufw and systemctl."""

    chains: str = ""
    chain: str = ""
    tables: str = ""
    ufw: list[str] = field(default_factory=list)
    calls: list[list[str]] = field(default_factory=list)

    def __call__(self, argv: t.Sequence[str], **dummy: t.Any) -> Result:
        call = list(argv)
        self.calls.append(call)
        said = {
            ("nft", "list", "chains"): self.chains,
            ("nft", "list", "chain"): self.chain,
            ("nft", "list", "tables"): self.tables,
            ("ufw", "show", "added"): "Added user rules (see 'ufw status' for running firewall):\n"
            + "".join(f"ufw {rule}\n" for rule in self.ufw),
            ("systemctl", "show", "--property"): "ActiveState=inactive\n",
        }
        return Result(0, said.get(tuple(call[:3]), ""), "")

    @property
    def changes(self) -> list[list[str]]:
        return [call for call in self.calls if call[1] not in ("list", "show")]


def present(name: str) -> str:
    return f"/usr/sbin/{name}"


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Record:
    """A record and folders below ``tmp_path``."""
    monkeypatch.setattr(nftables_rules, "_FILE", str(tmp_path / "klubster/firewall.nft"))
    monkeypatch.setattr(nftables_rules, "UNIT", "klubster-firewall.service")
    monkeypatch.setattr(
        nftables_rules,
        "files",
        lambda openings: [
            managed_files.WantedFile(str(tmp_path / "klubster/firewall.nft"), nftables_rules.table(openings))
        ],
    )
    monkeypatch.setattr(firewalld_rules, "FOLDER", f"{tmp_path}/firewalld/")
    (tmp_path / "state").mkdir()
    return Record.load(tmp_path / "state")


# --- what is at work


def test_the_firewall_at_work_is_found(tmp_path: Path) -> None:
    assert firewall_rules.active(tmp_path) == "none"
    units = tmp_path / "run/systemd/units"
    units.mkdir(parents=True)
    (units / "invocation:nftables.service").symlink_to("1")
    assert firewall_rules.active(tmp_path) == "nftables"
    (tmp_path / "etc/ufw").mkdir(parents=True)
    (tmp_path / "etc/ufw/ufw.conf").write_text("ENABLED=no\n")
    assert firewall_rules.active(tmp_path) == "nftables"
    (tmp_path / "etc/ufw/ufw.conf").write_text("ENABLED=yes\n")
    assert firewall_rules.active(tmp_path) == "ufw"
    (units / "invocation:firewalld.service").symlink_to("1")
    assert firewall_rules.active(tmp_path) == "firewalld"


# --- nftables


def test_ip_in_ip_goes_by_its_number_which_every_system_knows() -> None:
    openings = {"agent": [{"protocol": "4", "ports": "", "sources": ["machines"]}], "server": []}
    plan = PLAN | {"openings": openings, "closed": {"agent": {}, "server": {}}}
    ipip = Openings.parse(plan, "agent")
    assert "ip saddr @machines4 meta l4proto 4 " in nftables_rules.table(ipip)
    assert '<protocol value="4"/>' in "".join(str(file.content) for file in firewalld_rules.files(ipip))


def test_the_table_marks_what_is_let_through_and_closes_the_rest() -> None:
    text = nftables_rules.table(SERVER)
    mark = "meta mark set meta mark or 0x01000000 accept"
    assert text.index("table inet klubster\ndelete table inet klubster\n") < text.index("table inet klubster {")
    assert "elements = { 10.0.0.1, 10.0.0.2 }" in text
    assert f"ip saddr @servers4 tcp dport {{ 2379-2380 }} {mark}" in text
    assert f"ip saddr @api4 tcp dport {{ 6443 }} {mark}" in text
    assert f"ip saddr @servers4 meta l4proto vrrp {mark}" in text
    assert f"ip6 saddr @pods6 tcp dport {{ 1-2378, 2381-65535 }} {mark}" in text
    assert "@machines6" not in text
    # What nobody may reach is dropped after all that is let through.
    assert text.index("tcp dport { 2379-2380, 6443 } drop") > text.index("ct state established,related accept")
    assert f"ip daddr @pods4 ct status dnat ct original ip daddr != @services4 {mark}" in text


def test_everybody_needs_no_set() -> None:
    openings = Openings.parse({**PLAN, "networks": {**PLAN["networks"], "api": ["0.0.0.0/0"]}}, "server")
    text = nftables_rules.table(openings)
    assert "meta nfproto ipv4 tcp dport { 6443 }" in text
    assert "set api4" not in text


@pytest.mark.parametrize(
    ("chain", "fits"),
    [
        ("meta mark & 0x01000000 == 0x01000000 accept", True),
        ("meta mark & 16777216 == 16777216 counter packets 0 bytes 0 accept", True),
        ("meta mark & 0x01000000 == 0x01000000 drop", False),
        ("tcp dport 22 accept", False),
    ],
)
def test_a_ruleset_that_drops_must_know_the_mark(chain: str, fits: bool) -> None:
    shell = Shell(chains=DROPPING, chain=f"\t\t{chain}\n")
    if fits:
        nftables_rules.refuse_drops(shell)
    else:
        with pytest.raises(nftables_rules.DroppedElsewhere, match="chain input of table inet filter") as caught:
            nftables_rules.refuse_drops(shell)
        assert nftables_rules.ACCEPT_LINE in str(caught.value)


def test_our_own_table_is_not_looked_at() -> None:
    nftables_rules.refuse_drops(Shell(chains=DROPPING.replace("inet filter", "inet klubster")))


# --- ufw


def test_ufw_rules_are_written_as_ufw_prints_them() -> None:
    assert ufw_rules.rules(SERVER) == [
        "allow from 10.0.0.1 to any port 6443 proto tcp",
        "allow from 10.0.0.2 to any port 6443 proto tcp",
        "allow from 192.168.1.0/24 to any port 6443 proto tcp",
        "allow from 10.0.0.1 to any port 2379:2380 proto tcp",
        "allow from 10.0.0.1 proto vrrp",
        "allow from 10.244.0.0/16 to any port 1:2378,2381:65535 proto tcp",
        "allow from fd00:1::/56 to any port 1:2378,2381:65535 proto tcp",
        "route allow from 10.244.0.0/16",
        "route allow from 10.0.0.1 to 10.244.0.0/16",
        "route allow from 10.0.0.2 to 10.244.0.0/16",
        "route allow from fd00:1::/56",
    ]


def test_only_rules_with_our_comment_are_taken_away() -> None:
    shell = Shell(
        ufw=[
            "allow 22/tcp",
            "allow from 10.0.0.1 to any port 8472 proto udp comment 'mine'",
            "allow from 10.0.0.9 to any port 8472 proto udp comment 'klubster'",
            "route allow from 10.9.0.0/16 comment 'klubster'",
        ]
    )
    added, removed = ufw_rules.compare(ufw_rules.rules(AGENT), shell, present)
    # The user allows the first machine already.
    assert added[0] == "allow from 10.0.0.2 to any port 8472 proto udp"
    assert removed == ["allow from 10.0.0.9 to any port 8472 proto udp", "route allow from 10.9.0.0/16"]
    shell.calls.clear()
    ufw_rules.apply(added[:1], removed, shell)
    assert [" ".join(call) for call in shell.calls] == [
        "ufw allow from 10.0.0.2 to any port 8472 proto udp comment klubster",
        "ufw delete allow from 10.0.0.9 to any port 8472 proto udp",
        "ufw route delete allow from 10.9.0.0/16",
    ]


def test_everybody_is_one_rule_of_ufw() -> None:
    openings = Openings.parse({**PLAN, "networks": {**PLAN["networks"], "api": ["0.0.0.0/0", "::/0"]}}, "server")
    assert ufw_rules.rules(openings).count("allow 6443/tcp") == 1


# --- firewalld


def test_firewalld_gets_files_of_our_own_only() -> None:
    files = {file.path: file.content for file in firewalld_rules.files(SERVER)}
    assert sorted(files) == [
        "/etc/firewalld/ipsets/klubster-api-4.xml",
        "/etc/firewalld/ipsets/klubster-machines-4.xml",
        "/etc/firewalld/ipsets/klubster-pods-4.xml",
        "/etc/firewalld/ipsets/klubster-pods-6.xml",
        "/etc/firewalld/ipsets/klubster-servers-4.xml",
        "/etc/firewalld/policies/klubster-in.xml",
        "/etc/firewalld/policies/klubster-through.xml",
    ]
    text = files["/etc/firewalld/policies/klubster-in.xml"]
    assert (
        '  <rule family="ipv4">\n    <source ipset="klubster-servers-4"/>\n'
        '    <port port="2379-2380" protocol="tcp"/>\n    <accept/>\n  </rule>\n' in text
    )
    assert '<protocol value="vrrp"/>' in text
    assert '<option name="family" value="inet6"/>' in files["/etc/firewalld/ipsets/klubster-pods-6.xml"]


# --- all of them


def test_nftables_comes_changes_and_goes(record: Record, tmp_path: Path) -> None:
    shell = Shell()
    state = firewall_rules.compare("nftables", SERVER, record, shell, which=present)
    assert state.changed
    assert shell.changes == []
    firewall_rules.apply(state, record, shell)
    assert ["systemctl", "start", nftables_rules.UNIT] in shell.calls
    shell.tables = "table inet klubster\n"
    assert not firewall_rules.compare("nftables", SERVER, record, shell, which=present).changed
    # Somebody emptied the whole ruleset.
    shell.tables = ""
    state = firewall_rules.compare("nftables", SERVER, record, shell, which=present)
    assert state.stale
    assert state.diff()[0]["after"] == "nftables: read our rules again\n"
    assert firewall_rules.remove(record, shell, present)
    assert not (tmp_path / "klubster/firewall.nft").exists()


def test_a_run_that_was_cut_short_is_ended_by_the_next(record: Record) -> None:
    shell = Shell(tables="table inet klubster\n")
    state = firewall_rules.compare("nftables", SERVER, record, shell, which=present)

    def dies(argv: t.Sequence[str], **dummy: t.Any) -> Result:
        if "enable" in argv:
            raise KeyboardInterrupt
        return shell(argv)

    with pytest.raises(KeyboardInterrupt):
        firewall_rules.apply(state, record, dies)
    again = firewall_rules.compare("nftables", SERVER, record, shell, which=present)
    assert again.file_changes == []
    assert again.stale
    firewall_rules.apply(again, record, shell)
    assert not firewall_rules.compare("nftables", SERVER, record, shell, which=present).changed


def test_another_firewall_takes_over(record: Record) -> None:
    shell = Shell()
    firewall_rules.apply(firewall_rules.compare("ufw", AGENT, record, shell, which=present), record, shell)
    assert record.firewall_rules
    shell.ufw = [f"{rule} comment 'klubster'" for rule in ufw_rules.rules(AGENT)]
    assert not firewall_rules.compare("ufw", AGENT, record, shell, which=present).changed
    state = firewall_rules.compare("nftables", AGENT, record, shell, which=present)
    assert state.removed == ufw_rules.rules(AGENT)
    firewall_rules.apply(state, record, shell)
    assert not record.firewall_rules
    shell.calls.clear()
    state = firewall_rules.compare("none", AGENT, record, shell, which=present)
    firewall_rules.apply(state, record, shell)
    assert shell.calls[0] == ["systemctl", "disable", "--now", "--quiet", nftables_rules.UNIT]
    assert record.of_set(firewall_rules.SET) == {}
    assert not firewall_rules.compare("none", AGENT, record, shell, which=present).changed


def test_reset_takes_our_rules_out_of_ufw(record: Record) -> None:
    shell = Shell()
    firewall_rules.apply(firewall_rules.compare("ufw", AGENT, record, shell, which=present), record, shell)
    shell.ufw = ["allow 22/tcp", "route allow from 10.244.0.0/16 comment 'klubster'"]
    shell.calls.clear()
    assert firewall_rules.remove(record, shell, present) == ["took 1 rules out of ufw"]
    assert shell.changes == [["ufw", "route", "delete", "allow", "from", "10.244.0.0/16"]]


@pytest.mark.parametrize("provider", ["nftables", "ufw", "firewalld"])
def test_a_firewall_that_is_not_here_is_refused(provider: str, record: Record) -> None:
    with pytest.raises(firewall_rules.FirewallError, match=f"klubster_firewall = '{provider}'"):
        firewall_rules.compare(provider, SERVER, record, Shell(), which=lambda dummy: None)
