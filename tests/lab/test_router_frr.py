# SPDX-License-Identifier: Apache-2.0
"""The role router on machines with FRR: two routers with two sessions between them, and what changes do to those.

FRR comes from Debian, by apt on the host: the machines have no way out.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import subprocess
import sys
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

import packages
import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result, run
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.base import BaseRoot
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.container import ContainerBackend
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.definition import parse_lab
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.paths import LabPaths, cache_folder
from ansible_collections.kateskit.klubster.plugins.module_utils._router import bgp_sessions, frr, frr_text
from ansible_collections.kateskit.klubster.plugins.module_utils._router.parse import parse
from hypothesis import given, settings

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/unit/plugins/module_utils/_router"))
from router_models import FULL, Data  # noqa: E402  It lies with the unit tests.
from router_models import PASSWORDS as PASSWORDS_OF_FULL  # noqa: E402
from router_models import routers as any_router  # noqa: E402

NAME = "routers"
PASSWORD, OTHER_PASSWORD = "h1dden-from-all", "h1dden-as-well"
DEFINITION: dict[str, t.Any] = {
    "name": NAME,
    "segments": {"one": {"network": "10.86.0.0/25"}, "two": {"network": "10.86.0.128/25"}},
    "machines": {
        "home": {"groups": ["routers"], "addresses": {"one": "10.86.0.11", "two": "10.86.0.139"}},
        "away": {"groups": ["routers"], "addresses": {"one": "10.86.0.12", "two": "10.86.0.140"}},
    },
}
#: neighbours of home: the first with a password and a profile for BFD
FIRST, SECOND = "10.86.0.12", "10.86.0.140"
SERVICES = {"services": [{"prefix": "203.0.113.0/24", "ge": 32, "le": 32}]}
#: a busy machine must not look like a dead one
PATIENT = {"patient": {"receive": 1000, "transmit": 1000, "multiplier": 30}}
HOME: dict[str, t.Any] = {
    "forwarding": True,
    "prefix_lists": SERVICES,
    "route_maps": {"mark": [{"match": {"prefix_list": "services"}, "set": {"communities": ["65010:100"]}}]},
    "bfd_profiles": PATIENT,
    "bgp": {
        "asn": 65010,
        "router_id": "10.86.0.11",
        "neighbors": {
            FIRST: {
                "remote_as": 65001,
                "bfd": True,
                "bfd_profile": "patient",
                "ipv4": {"route_map_in": "mark", "maximum_prefix": 10},
            },
            SECOND: {"remote_as": 65001, "ipv4": {"prefix_list_in": "services"}},
        },
        "ipv4": {"paths": 8},
    },
}
AWAY: dict[str, t.Any] = {
    "bfd_profiles": PATIENT,
    "static_routes": {
        "203.0.113.10/32": {"blackhole": True},
        "203.0.113.11/32": {"blackhole": True},
        # Not a service: home's policy refuses it.
        "198.51.100.0/24": {"blackhole": True},
    },
    "bgp": {
        "asn": 65001,
        "router_id": "10.86.0.12",
        "neighbors": {
            "10.86.0.11": {"remote_as": 65010, "bfd": True, "bfd_profile": "patient", "ipv4": {}},
            "10.86.0.139": {"remote_as": 65010, "ipv4": {}},
        },
        "ipv4": {"redistribute": {"static": {}}},
    },
}
PASSWORDS = {"home": {FIRST: PASSWORD}, "away": {"10.86.0.11": PASSWORD}}
PLAYBOOK = """\
- hosts: all
  gather_facts: false
  roles: [kateskit.klubster.router]
  tasks:
    - kateskit.klubster.bgp_session_info:
        expected: "{{ expected | default([]) }}"
        timeout: 60
      register: bgp
      # Before the first real run there is nothing to ask.
      when: not ansible_check_mode
    - ansible.builtin.copy:
        content: "{{ {'bgp': bgp, 'router': __router_frr} | to_json }}"
        dest: "{{ results }}/{{ inventory_hostname }}.json"
      delegate_to: localhost
"""


@dataclass(frozen=True)
class Answer:
    """What a run did."""

    rc: int
    said: str
    results: dict[str, t.Any]

    def router(self, machine: str = "home") -> dict[str, t.Any]:
        assert self.rc == 0, self.said
        return t.cast("dict[str, t.Any]", self.results[machine]["router"])

    def sessions(self, machine: str = "home") -> dict[str, dict[str, t.Any]]:
        assert self.rc == 0, self.said
        return {session["neighbor"]: session for session in self.results[machine]["bgp"]["sessions"]}

    def routes(self, machine: str = "home") -> dict[str, dict[str, t.Any]]:
        return {route["prefix"]: route for route in self.results[machine]["bgp"]["routes"]}


class Routers:
    """Both machines, and what they shall be."""

    def __init__(self, paths: LabPaths, folder: Path) -> None:
        self._folder, self.ssh_config = folder, paths.ssh_config
        self.models = {"home": copy.deepcopy(HOME), "away": copy.deepcopy(AWAY)}
        #: what the last run on home saw
        self.last = Answer(1, "", {})
        self.passwords = copy.deepcopy(PASSWORDS)

    def ssh(self, machine: str, command: str, *, check: bool = True) -> Result:
        return run(["ssh", "-F", str(self.ssh_config), machine, command], check=check, timeout=60)

    def sessions(self) -> dict[str, bgp_sessions.Session]:
        """What home says now."""
        said = [
            json.loads(self.ssh("home", f"vtysh -c 'show bgp {what} json'").stdout) for what in ("summary", "neighbors")
        ]
        return {session.neighbor: session for session in bgp_sessions.sessions(said[0], said[1])}

    def converge(self, *flags: str, machine: str = "home", **more: t.Any) -> Answer:
        inventory = {
            "all": {
                "vars": {"ansible_ssh_common_args": f"-F {self.ssh_config}", "ansible_user": "root"},
                "hosts": {
                    name: {
                        "ansible_python_interpreter": "/usr/bin/python3",
                        "router_model": model,
                        "router_passwords": self.passwords[name],
                    }
                    for name, model in self.models.items()
                },
            }
        }
        results = self._folder / "results"
        results.mkdir(exist_ok=True)
        for old in results.iterdir():
            old.unlink()
        (self._folder / "hosts.json").write_text(json.dumps(inventory))
        (self._folder / "play.yml").write_text(PLAYBOOK)
        more["results"] = str(results)
        argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(self._folder / "hosts.json")]
        argv += ["--limit", machine, "-e", json.dumps(more), str(self._folder / "play.yml"), *flags]
        environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
        found = {path.stem: json.loads(path.read_text()) for path in results.glob("*.json")}
        answer = Answer(done.returncode, done.stdout + done.stderr, found)
        if answer.rc == 0:
            self.last = answer
        return answer


@pytest.fixture(scope="module")
def routers(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Routers]:
    cache = tmp_path_factory.mktemp("cache")
    base = BaseRoot(cache_folder() / "lab", run)
    backend = ContainerBackend(cache, base=base)
    lab = parse_lab(DEFINITION)
    try:
        backend.up(lab)
        made = Routers(LabPaths(NAME, cache), tmp_path_factory.mktemp("ansible"))
        files = packages.fetch(base.path, ("frr", "frr-pythontools"))
        packages.install(made.ssh_config, list(lab.machines), files)
        yield made
    finally:
        backend.down(NAME)
    assert backend.leftovers(NAME) == []


def starts(routers: Routers, machine: str = "home") -> dict[str, str]:
    """When FRR's daemons were started."""
    said = routers.ssh(machine, "ps -o lstart=,pid=,comm= -C bgpd,zebra,bfdd,staticd", check=False).stdout
    return {line.split()[-1]: line for line in said.splitlines()}


def since(answer: Answer) -> dict[str, int]:
    """How often each session of home went."""
    return {name: session["dropped"] for name, session in answer.sessions().items()}


def test_it_says_first_what_it_would_do(routers: Routers) -> None:
    answer = routers.converge("--check", "--diff", machine="all")
    assert answer.rc == 0, answer.said
    assert f"+ neighbor {FIRST} password ********" in answer.said
    assert PASSWORD not in answer.said
    assert "bgpd" not in starts(routers)


def test_both_become_routers_and_exchange_what_the_policy_lets_pass(routers: Routers) -> None:
    answer = routers.converge("-vvv", "--diff", machine="all")
    assert answer.router()["changed"]
    assert PASSWORD not in answer.said
    answer = routers.converge(expected=[FIRST, SECOND])
    sessions = answer.sessions()
    assert [session["state"] for session in sessions.values()] == ["Established"] * 2
    # Routes, and some packets of BFD of a second each, come after the session is there.
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and (sessions[FIRST]["bfd"] != "up" or sessions[FIRST]["ipv4"]["sent"] != 2):
        answer = routers.converge()
        sessions = answer.sessions()
    assert sessions[FIRST]["ipv4"] == {"received": 2, "sent": 2, "policy": False}
    assert sessions[SECOND]["ipv4"]["received"] == 2
    assert (sessions[FIRST]["bfd"], sessions[SECOND]["bfd"]) == ("up", "")
    routes = answer.routes()
    assert sorted(routes) == ["203.0.113.10/32", "203.0.113.11/32"]
    assert (routes["203.0.113.10/32"]["width"], routes["203.0.113.10/32"]["next_hops"]) == (2, [FIRST, SECOND])
    kernel = json.loads(routers.ssh("home", "ip -j route show 203.0.113.10").stdout)
    assert len(kernel[0]["nexthops"]) == 2
    assert routers.ssh("home", "sysctl -n net.ipv4.ip_forward").stdout.strip() == "1"
    assert routers.ssh("home", "stat -c '%a %U' /etc/frr/frr.conf").stdout.strip() == "600 frr"


def test_the_password_is_nowhere(routers: Routers) -> None:
    found = routers.ssh(
        "home", f"journalctl | grep -c {PASSWORD}; grep -rl {PASSWORD} /etc /var/log /run /tmp", check=False
    )
    assert found.stdout.split() == ["0", "/etc/frr/frr.conf"]


def test_again_nothing_changes_and_no_session_is_touched(routers: Routers) -> None:
    before, old = routers.last, starts(routers)
    again = routers.converge(machine="all")
    assert [again.router(machine)["changed"] for machine in ("home", "away")] == [False, False]
    assert since(again) == since(before)
    assert all(again.sessions()[name]["uptime"] >= before.sessions()[name]["uptime"] > 0 for name in (FIRST, SECOND))
    assert starts(routers) == old


def test_a_policy_changes_without_a_reset(routers: Routers) -> None:
    before = routers.last
    neighbor = routers.models["home"]["bgp"]["neighbors"][FIRST]
    neighbor["ipv4"]["maximum_prefix"] = 20
    neighbor["description"] = "the other side"
    routers.models["home"]["route_maps"]["mark"][0]["set"]["local_preference"] = 150
    answer = routers.converge()
    assert (answer.router()["changed"], answer.router()["sessions_reset"]) == (True, [])
    assert since(answer) == since(before)
    assert routers.converge().router()["changed"] is False


def test_a_prefix_list_of_a_neighbour_counts_for_routes_that_were_there(routers: Routers) -> None:
    """FRR does not look again by itself when only the list changes."""
    before, services = routers.last, routers.models["home"]["prefix_lists"]["services"]
    routers.models["home"]["prefix_lists"]["services"] = [{"prefix": "203.0.113.10/32"}]
    try:
        answer = routers.converge()
        assert (answer.router()["changed"], answer.router()["sessions_reset"]) == (True, [])
        # The other side sends its routes again; that takes a moment.
        deadline = time.monotonic() + 30
        while sorted(answer.routes()) != ["203.0.113.10/32"] and time.monotonic() < deadline:
            answer = routers.converge()
        assert sorted(answer.routes()) == ["203.0.113.10/32"]
    finally:
        routers.models["home"]["prefix_lists"]["services"] = services
        answer = routers.converge(expected=[FIRST, SECOND])
    assert since(answer) == since(before)


def test_a_password_resets_its_own_session_only(routers: Routers) -> None:
    before = routers.last
    routers.passwords = {"home": {FIRST: OTHER_PASSWORD}, "away": {"10.86.0.11": OTHER_PASSWORD}}
    answer = routers.converge("--diff", machine="all")
    assert answer.router()["sessions_reset"] == [FIRST]
    assert "password ******** (another)" in answer.said
    answer = routers.converge(expected=[FIRST, SECOND])
    assert answer.sessions()[FIRST]["established"]
    assert answer.sessions()[SECOND]["dropped"] == before.sessions()[SECOND]["dropped"]


def test_what_others_configured_stays(routers: Routers) -> None:
    foreign = ["access-list theirs seq 5 permit 192.0.2.0/24", "interface eth0", "description theirs", "exit"]
    command = "vtysh " + " ".join(f"-c '{line}'" for line in ("configure terminal", *foreign))
    routers.ssh("home", command)
    assert routers.converge().router()["changed"] is False
    routers.models["home"]["route_maps"]["mark"][0]["set"]["local_preference"] = 160
    assert routers.converge().router()["changed"] is True
    running = routers.ssh("home", "vtysh -c 'show running-config'").stdout
    assert "access-list theirs seq 5 permit 192.0.2.0/24" in running
    assert "description theirs" in running


def test_what_somebody_added_to_our_parts_goes(routers: Routers) -> None:
    before = routers.last
    stray = ["configure terminal", "ip prefix-list stray seq 5 permit any", "router bgp 65010"]
    stray += ["neighbor 10.86.0.99 remote-as 65099"]
    routers.ssh("home", "vtysh " + " ".join(f"-c '{line}'" for line in stray))
    assert "10.86.0.99" in routers.ssh("home", "vtysh -c 'show running-config'").stdout
    answer = routers.converge("--diff")
    assert (answer.router()["changed"], answer.router()["sessions_reset"]) == (True, [])
    running = routers.ssh("home", "vtysh -c 'show running-config'").stdout
    assert "10.86.0.99" not in running
    assert "stray" not in running
    assert since(answer) == since(before)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        # FRR's parser takes it, and its daemon does not: the machine has this address, which the model does not know.
        ({"neighbors": {"10.86.0.139": {"remote_as": 65002, "ipv4": {}}}}, "missing: router bgp 65010 /"),
    ],
    ids=["own address"],
)
def test_what_frr_does_not_run_is_taken_back(routers: Routers, model: dict[str, t.Any], said: str) -> None:
    before = routers.last
    config = routers.ssh("home", "sha256sum /etc/frr/frr.conf").stdout
    good = copy.deepcopy(routers.models["home"])
    for key, value in model.items():
        routers.models["home"]["bgp"][key].update(value)
    answer = routers.converge()
    routers.models["home"] = good
    assert answer.rc != 0
    assert said in answer.said
    assert "The configuration is as it was before." in answer.said
    assert PASSWORD not in answer.said
    assert OTHER_PASSWORD not in answer.said
    assert routers.ssh("home", "sha256sum /etc/frr/frr.conf").stdout == config
    again = routers.converge()
    assert again.router()["changed"] is False
    assert since(again) == since(before)


def test_a_change_without_its_session_is_taken_back(routers: Routers) -> None:
    before, good = routers.last, copy.deepcopy(routers.models["home"])
    routers.models["home"]["bgp"]["neighbors"]["10.86.0.77"] = {"remote_as": 65077, "ipv4": {}}
    answer = routers.converge(router_sessions="all", router_timeout=3)
    routers.models["home"] = good
    assert answer.rc != 0
    assert "After 3 s there is no session with 10.86.0.77" in answer.said
    assert "The configuration is as it was before." in answer.said
    again = routers.converge()
    assert again.router()["changed"] is False
    assert since(again) == since(before)


def test_rules_that_cut_sessions_are_taken_back(routers: Routers) -> None:
    """They let the login in, and nothing that BGP needs; nor do they know of connections that are there."""
    before, good = routers.last, copy.deepcopy(routers.models["home"])
    routers.models["home"]["firewall"] = {
        "ipv4": {
            "all": {"default": "accept"},
            "login": {"rules": [{"action": "accept", "protocol": "tcp", "destination_port": 22}]},
        },
        "zones": {
            "both": {"interfaces": ["eth0", "eth1"], "sources": {"router": {"ipv4": "all"}}},
            "router": {"local": True, "sources": {"both": {"ipv4": "login"}}},
        },
    }
    answer = routers.converge(router_timeout=6)
    routers.models["home"] = good
    assert answer.rc != 0
    assert f"The new rules cut BGP's session with {FIRST}, {SECOND}" in answer.said
    assert "klubster" not in routers.ssh("home", "nft list ruleset").stdout
    again = routers.converge(expected=[FIRST, SECOND])
    assert again.router()["changed"] is False
    assert since(again) == since(before)


def test_too_many_prefixes_are_named_as_the_cause(routers: Routers) -> None:
    good = copy.deepcopy(routers.models["home"])
    routers.models["home"]["bgp"]["neighbors"][SECOND]["ipv4"]["maximum_prefix"] = 1
    assert routers.converge(router_sessions="none").rc == 0
    routers.models["home"] = good
    # FRR ends the session at once, and keeps it down until somebody clears it.
    deadline = time.monotonic() + 120
    sessions = routers.sessions()
    while time.monotonic() < deadline and not sessions[SECOND].reason.startswith("more prefixes"):
        sessions = routers.sessions()
    assert sessions[SECOND].reason.startswith("more prefixes than maximum_prefix allows"), sessions
    assert sessions[FIRST].established
    assert routers.converge(router_sessions="none").rc == 0
    routers.ssh("home", f"vtysh -c 'clear bgp {SECOND}'")


def test_a_neighbour_that_left_the_model_goes_alone(routers: Routers) -> None:
    before = routers.converge(expected=[FIRST, SECOND])
    del routers.models["home"]["bgp"]["neighbors"][SECOND]
    answer = routers.converge()
    assert list(answer.sessions()) == [FIRST]
    assert answer.router()["sessions_reset"] == [SECOND]
    assert answer.sessions()[FIRST]["dropped"] == before.sessions()[FIRST]["dropped"]
    assert routers.converge().router()["changed"] is False


def test_what_is_gathered_is_the_model(routers: Routers) -> None:
    wanted = frr.canonical(parse(routers.models["home"], routers.passwords["home"])[0])
    said = routers.ssh("home", "vtysh -c 'show running-config'").stdout
    found = frr.gather(frr_text.parse(said))
    router = parse(found.data, found.passwords)[0]
    assert found.strange == ()
    assert dataclasses.replace(router, interfaces=None, forwarding=True) == wanted


def many() -> list[tuple[Data, Data]]:
    """One router with everything, and eighty others, the same in every run."""
    found: list[tuple[Data, Data]] = [(FULL, PASSWORDS_OF_FULL)]

    @settings(max_examples=80, database=None, derandomize=True, deadline=None)
    @given(any_router())
    def collect(data: Data) -> None:
        found.append((data, {}))

    collect()
    return found


def test_frrs_parser_takes_every_line_of_many_routers(routers: Routers) -> None:
    texts = {f"{n}.conf": frr_text.write(frr.render(parse(*one)[0])) for n, one in enumerate(many())}
    files = "".join(f"cat > /root/{name} <<'END'\n{text}END\n" for name, text in texts.items())
    check = "for file in /root/*.conf; do vtysh -C -f $file || echo refused: $file; done; echo all"
    said = run(["ssh", "-F", str(routers.ssh_config), "away", "bash -s"], stdin=files + check, timeout=120).stdout
    assert len(texts) > 80
    assert said == "all\n"


@pytest.mark.parametrize("number", range(5))
def test_frr_runs_every_line_of_a_router(routers: Routers, number: int) -> None:
    """The module itself looks for lines that do not run, and fails."""
    routers.models["away"], routers.passwords["away"] = many()[number]
    answer = routers.converge(machine="away", router_sessions="none")
    assert answer.router("away")["changed"]
    assert routers.converge(machine="away", router_sessions="none").router("away")["changed"] is False
