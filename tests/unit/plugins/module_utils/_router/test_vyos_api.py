# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501  Answers of the router are not cut.
"""What goes to VyOS's API and what its answers mean, without a connection."""

from __future__ import annotations

import json
import re
import socket
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput
from ansible_collections.kateskit.klubster.plugins.module_utils._router import (
    vyos,
    vyos_api,
    vyos_api_sessions,
    vyos_file,
    vyos_https,
    vyos_session,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._router.frr_apply import Watched
from ansible_collections.kateskit.klubster.plugins.module_utils._router.parse import parse
from ansible_collections.kateskit.klubster.plugins.module_utils._router.vyos_session import VyosError

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "vyos_session"))
from api import KEY, ApiServing, Rest
from router import Device
from router_models import FULL, SERVICES, Data
from router_models import PASSWORDS as PASSWORDS_OF_FULL

NEIGHBOR = {"remote_as": 65001, "ipv4": {}}
MODEL: Data = {
    "bgp": {"asn": 65010, "router_id": "10.0.0.1", "neighbors": {"10.0.0.2": NEIGHBOR, "10.0.0.3": NEIGHBOR}}
}
PASSWORDS = {"10.0.0.2": "h1dden"}
OSPF = ("protocols", "ospf", "area", "0", "network", "10.0.0.0/8")
versions = pytest.mark.parametrize("version", vyos.VERSIONS)


def way(rest: Rest, *, patience: float = 5) -> vyos_api.Api:
    """Without a network between; an answer that is lost is one that nobody gets."""

    def send(endpoint: str, data: t.Mapping[str, t.Any]) -> vyos_api.Answer:
        found = rest.answer(endpoint, {"key": KEY, "data": json.dumps(data)})
        if not rest.answers(endpoint):
            raise vyos_api.Unanswered(f"no answer to {endpoint}")
        return vyos_api.Answer(*found)

    return vyos_api.Api(send, patience=patience, pause=lambda _: None)


def converge(
    rest: Rest, model: Data, passwords: Data | None = None, *, watched: Watched = "others", keep: bool = True
) -> tuple[vyos_session.Plan, vyos_session.Done]:
    subject = parse(model, passwords)
    rest.asked.clear()
    rest.device.typed.clear()
    one = way(rest)
    planned = vyos_session.compared(one, subject)
    done = vyos_session.Done()
    if planned.changed:
        done = vyos_session.Change(
            planned, subject, one, watched=watched, timeout=3, minutes=5, pause=lambda _: None
        ).apply()
    if done.pending and keep:
        # By another, as after a new connection.
        vyos_session.confirm(way(rest))
    return planned, done


def edits(rest: Rest) -> list[str]:
    """What was done, in short."""
    return [line for line in rest.device.typed if re.match(r"(confirm|commit|save|load|reset|delete)", line)]


# --- words


def test_a_configuration_in_json_is_the_set_of_its_commands() -> None:
    tree = {
        "system": {"host-name": "r2"},
        "interfaces": {
            "ethernet": {"eth0": {"address": ["10.0.0.1/24", "10.0.1.1/24"], "description": "to the  left"}}
        },
        "protocols": {"bgp": {"neighbor": {"10.0.0.2": {"address-family": {"ipv4-unicast": {}}}}}},
    }
    assert vyos_api.paths_of(tree) == {
        ("system", "host-name", "r2"),
        ("interfaces", "ethernet", "eth0", "address", "10.0.0.1/24"),
        ("interfaces", "ethernet", "eth0", "address", "10.0.1.1/24"),
        ("interfaces", "ethernet", "eth0", "description", "to the  left"),
        ("protocols", "bgp", "neighbor", "10.0.0.2", "address-family", "ipv4-unicast"),
    }


@pytest.mark.parametrize("said", ["set system host-name r2", None, ["system"]])
def test_what_is_no_configuration_is_refused(said: t.Any) -> None:
    with pytest.raises(VyosError, match="no configuration"):
        vyos_api.paths_of(said)


def test_commands_become_operations_with_the_value_as_the_last_word() -> None:
    commands = ["delete policy prefix-list a", "set interfaces lo description 'to the  left'"]
    assert vyos_api.operations(commands) == [
        {"op": "delete", "path": ["policy", "prefix-list", "a"]},
        {"op": "set", "path": ["interfaces", "lo", "description", "to the  left"]},
    ]


@pytest.mark.parametrize(
    ("status", "text", "said"),
    [
        (401, '{"success": false, "error": "Valid API key is required", "data": null}', "The router does not know the key. Give the one"),
        (403, "<html>", "set service https allow-client address"),
        (404, "<html>404 Not Found</html>", "set service https api keys id NAME key KEY"),
        (502, "<html>502 Bad Gateway</html>", "The router's web server got no answer from the API behind it to /x (status 502). Look whether"),
        (503, "<html>", "whether the API's program runs: 'sudo systemctl status vyos-http-api'"),
        (200, "<html>Welcome</html>", "no API of VyOS behind it (status 200"),
        (200, "[]", "no API of VyOS"),
        (504, "<html>", "did not wait for the answer to /x (status 504)"),
        (400, '{"success": false, "error": "Set failed &lt;1-65535&gt;", "data": null}', "The router did not take what /x was asked: Set failed <1-65535>"),
        (500, '{"success": false, "error": "An internal error occured.", "data": null}', "The router's journal says more"),
    ],
)  # fmt: skip
def test_answers_that_are_none_say_what_to_do(status: int, text: str, said: str) -> None:
    with pytest.raises(VyosError, match=re.escape(said)):
        vyos_api.read("/x", vyos_api.Answer(status, text))


def test_an_answer_without_data_is_one() -> None:
    answer = vyos_api.Answer(200, '{"success": true, "data": null, "error": null}')
    assert vyos_api.read("/x", answer) is None


# --- sessions, as FRR prints them for people

NEIGHBORS = """\
BGP neighbor is 192.0.2.4, remote AS 40, local AS 20, external link
Hostname: far
 Description: to the left
 Member of peer-group nodes for session parameters
  BGP version 4, remote router ID 192.0.2.104, local router ID 192.0.2.102
  BGP state = Established, up for 1d02h03m
  Last read 00:00:18, Last write 00:00:18
  Hold time is 9 seconds, keepalive interval is 3 seconds
  Configured hold time is 30 seconds, keepalive interval is 10 seconds

 For address family: IPv4 Unicast
  Update group 2, subgroup 1
  3 accepted prefixes

 For address family: IPv6 Unicast
  Inbound updates discarded due to missing policy
  0 accepted prefixes

  Connections established 4; dropped 3
  Last reset 00:01:48,  Waiting for peer OPEN
Local host: 192.0.2.1, Local port: 60206

BGP neighbor is *2001:db8::4, remote AS 20, local AS 20, internal link
  BGP version 4, remote router ID 0.0.0.0
  BGP state = Active
  Last read 20:16:21, hold time is 30, keepalive interval is 10 seconds
  Connections established 1; dropped 1
  Last reset 20:16:20, due to NOTIFICATION sent (Cease/Other Configuration Change)
"""
SUMMARY = """\
IPv4 Unicast Summary (VRF default):
BGP router identifier 192.0.2.102, local AS number 20 vrf-id 0

Neighbor        V         AS   MsgRcvd   MsgSent   TblVer  InQ OutQ  Up/Down State/PfxRcd   PfxSnt Desc
192.0.2.4       4         40        10        10        0    0    0 1d02h03m            3        7 to the left

IPv6 Unicast Summary (VRF default):
Neighbor        V         AS   MsgRcvd   MsgSent   TblVer  InQ OutQ  Up/Down State/PfxRcd   PfxSnt Desc
192.0.2.4       4         40        10        10        0    0    0 1d02h03m     (Policy)        0 to the left
2001:db8::4     4         20         0         0        0    0    0    never Idle (Admin)        0 N/A

Total number of neighbors 2
"""


def test_sessions_are_read_from_text() -> None:
    down, up = sorted(vyos_api_sessions.parse(NEIGHBORS, SUMMARY), key=lambda one: one.established)
    assert (up.neighbor, up.remote_as, up.local_as, up.state, up.dynamic) == ("192.0.2.4", 40, 20, "Established", False)
    assert (up.peer_group, up.description, up.hold_time, up.uptime) == ("nodes", "to the left", 9, 93780)
    assert (up.dropped, up.reason) == (3, "")
    assert up.ipv4 is not None and up.ipv6 is not None
    assert (up.ipv4.received, up.ipv4.sent, up.ipv4.policy) == (3, 7, False)
    assert (up.ipv6.received, up.ipv6.policy) == (0, True)
    assert (down.neighbor, down.state, down.dynamic, down.hold_time) == ("2001:db8::4", "Active", True, 30)
    assert down.reason == "NOTIFICATION sent (Cease/Other Configuration Change)"
    assert (down.ipv4, down.ipv6, down.uptime) == (None, None, 0)


def test_without_bgp_there_are_no_sessions() -> None:
    assert vyos_api_sessions.parse("% BGP instance not found\n") == ()
    assert way(Rest(Device())).sessions() == ()


# --- changes


@versions
def test_the_first_time_one_commit_is_asked_for_and_the_second_none(version: str) -> None:
    rest = Rest(Device(version))
    planned, done = converge(rest, MODEL, PASSWORDS)
    assert (planned.changed, done.pending) == (True, True)
    assert [endpoint for endpoint, dummy in rest.asked].count("/configure") == 1
    assert edits(rest) == ["save", "commit", "confirm_time 5", "confirm", "save"]
    assert ("protocols", "bgp", "neighbor", "10.0.0.2", "password", "h1dden") in rest.device.running
    assert (rest.device.saved, rest.device.deadline) == (rest.device.running, None)
    planned, done = converge(rest, MODEL, PASSWORDS)
    assert not planned.changed
    assert {endpoint for endpoint, dummy in rest.asked} == {"/show", "/retrieve"}


@versions
def test_a_router_with_everything_is_the_same_afterwards(version: str) -> None:
    rest = Rest(Device(version), strict=True)
    converge(rest, {**FULL, **SERVICES}, PASSWORDS_OF_FULL, watched="none")
    assert not converge(rest, {**FULL, **SERVICES}, PASSWORDS_OF_FULL, watched="none")[0].changed


def test_stale_lines_go_and_others_stay_also_where_it_is_strict() -> None:
    rest = Rest(Device(), strict=True)
    converge(rest, MODEL)
    rest.device.load(
        "set protocols bgp neighbor 10.0.0.99 remote-as 65099\nset protocols ospf area 0 network 10.0.0.0/8"
    )
    converge(rest, MODEL)
    assert "delete protocols bgp neighbor 10.0.0.99" in edits(rest)
    assert OSPF in rest.device.running


@pytest.mark.parametrize("confirms", [True, False])
def test_a_change_without_its_session_is_taken_back(confirms: bool) -> None:
    rest = Rest(Device(), confirms=confirms)
    converge(rest, MODEL)
    before = rest.device.running
    rest.device.down = {"10.0.0.4"}
    model: Data = {"bgp": {**MODEL["bgp"], "neighbors": {**MODEL["bgp"]["neighbors"], "10.0.0.4": NEIGHBOR}}}
    with pytest.raises(VyosError) as caught:
        converge(rest, model, watched="all")
    assert "After 3 s there is no session with 10.0.0.4." in str(caught.value)
    assert str(caught.value).endswith("The configuration is as it was before.")
    assert (rest.device.running, rest.device.saved, rest.device.deadline) == (before, before, None)


def test_what_nobody_confirms_the_router_undoes_itself() -> None:
    rest = Rest(Device())
    before = rest.device.running
    assert converge(rest, MODEL, keep=False)[1].pending
    rest.device.after(300)
    assert (rest.device.running, rest.device.reboots) == (before, 1)
    with pytest.raises(VyosError, match="Nothing waits to be confirmed: the time was over"):
        vyos_session.confirm(way(rest))


def test_a_version_without_a_clock_is_saved_at_once_and_not_asked_to_confirm() -> None:
    rest = Rest(Device("1.4"), confirms=False)
    dummy, done = converge(rest, MODEL)
    assert not done.pending
    assert edits(rest) == ["save", "commit", "save"]
    assert rest.device.saved == rest.device.running
    assert not way(rest).confirm()


@pytest.mark.parametrize("clock_first", [True, False])
def test_a_commit_that_is_refused_leaves_no_clock_behind(clock_first: bool) -> None:
    rest = Rest(Device(), clock_first=clock_first)
    rest.device.load("set interfaces ethernet eth0 address 10.0.0.2/24")
    before = rest.device.running
    with pytest.raises(VyosError) as caught:
        converge(rest, MODEL, PASSWORDS)
    assert 'Can not configure local address as neighbor "10.0.0.2"' in str(caught.value)
    assert "h1dden" not in str(caught.value)
    assert (rest.device.running, rest.device.deadline) == (before, None)


def test_what_is_refused_is_told_without_a_password() -> None:
    rest = Rest(Device())
    rest.device.grammar._forms = [one for one in rest.device.grammar._forms if "password" not in one[0]]
    with pytest.raises(VyosError, match="Set failed") as caught:
        converge(rest, MODEL, PASSWORDS)
    assert "h1dden" not in str(caught.value)


@pytest.mark.parametrize("confirms", [True, False])
def test_a_change_that_could_not_be_saved_is_saved_by_the_next_run(confirms: bool) -> None:
    rest = Rest(Device(), confirms=confirms)
    converge(rest, MODEL)
    model = {**MODEL, "prefix_lists": {"a": [{"prefix": "10.0.0.0/8"}]}}

    def fills_up(endpoint: str) -> bool:
        rest.full = endpoint == "/configure" or rest.full
        return True

    rest.answers = fills_up
    with pytest.raises(VyosError, match="works and stays, and it could not be saved") as caught:
        converge(rest, model)
    assert "No space left on device" in str(caught.value)
    assert rest.device.saved != rest.device.running
    rest.answers, rest.full = lambda _: True, False
    planned, done = converge(rest, model)
    assert (planned.changed, planned.difference.empty, done.pending) == (True, True, False)
    assert edits(rest) == ["save"]
    assert rest.device.saved == rest.device.running
    assert not converge(rest, model)[0].changed


def test_a_file_that_cannot_be_read_changes_nothing() -> None:
    rest = Rest(Device())
    converge(rest, MODEL)
    rest.device.saved = frozenset()
    rest.shows_files = False
    assert not converge(rest, MODEL)[0].changed


@versions
def test_the_file_that_a_router_starts_with_says_the_same_as_its_answers(version: str) -> None:
    rest = Rest(Device(version))
    converge(rest, {**FULL, **SERVICES}, PASSWORDS_OF_FULL, watched="none")
    assert way(rest).kept() == way(rest).paths()


HEAD = "########## FILE DATA ##########\n"


def test_the_file_has_values_as_json_has_them() -> None:
    text = (
        'a {\n    /* x { */\n    b c {\n        d "say \\"hi\\" \\\\ {"\n        d "2"\n        e\n    }\n    f {\n    }\n}\n'
        '// vyos-config-version: "x"\n'
    )
    assert vyos_file.parse(HEAD + text) == {
        ("a", "b", "c", "d", 'say "hi" \\ {'),
        ("a", "b", "c", "d", "2"),
        ("a", "b", "c", "e"),
        ("a", "f"),
    }


@pytest.mark.parametrize("text", ["a {", "}", 'a "b', "a {\n}\n}"])
def test_a_file_that_is_cut_is_no_configuration(text: str) -> None:
    with pytest.raises(vyos_file.Unreadable):
        vyos_file.parse(HEAD + text)
    with pytest.raises(vyos_file.Unreadable, match="There is no file"):
        vyos_file.parse("a")


def test_what_others_did_not_save_is_saved_before_a_clock_runs() -> None:
    rest = Rest(Device())
    rest.device.load("set protocols ospf area 0 network 10.0.0.0/8", save=False)
    converge(rest, MODEL, keep=False)
    rest.device.after(1000)
    assert OSPF in rest.device.running


def test_a_commit_whose_answer_is_lost_is_taken_back_when_it_is_through() -> None:
    rest = Rest(Device())
    before = rest.device.running
    lost = iter([False])
    rest.answers = lambda endpoint: endpoint != "/configure" or next(lost, True)
    with pytest.raises(VyosError, match="no answer to /configure\nThe configuration is as it was before"):
        converge(rest, MODEL)
    assert (rest.device.running, rest.device.deadline) == (before, None)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_commit_is_taken_back_when_the_web_server_answered_for_the_api(status: int) -> None:
    rest = Rest(Device())
    before = rest.device.running
    taken, lost = rest.answer, iter([True])

    def behind(endpoint: str, form: t.Mapping[str, str]) -> tuple[int, str]:
        said = taken(endpoint, form)
        return (status, "<html>") if endpoint == "/configure" and next(lost, False) else said

    rest.answer = behind  # type: ignore[method-assign]
    with pytest.raises(VyosError, match=rf"\(status {status}\)") as caught:
        converge(rest, MODEL)
    assert str(caught.value).endswith("The configuration is as it was before.")
    assert (rest.device.running, rest.device.deadline) == (before, None)


def test_a_commit_of_which_nothing_is_seen_is_left_alone() -> None:
    """A further request could stop the API of some versions."""
    rest = Rest(Device())
    taken = rest.answer

    def overloaded(endpoint: str, form: t.Mapping[str, str]) -> tuple[int, str]:
        return (504, "") if endpoint == "/configure" else taken(endpoint, form)

    rest.answer = overloaded  # type: ignore[method-assign]
    with pytest.raises(VyosError, match="may be under way") as caught:
        converge(rest, MODEL)
    assert "did not wait for the answer to /configure" in str(caught.value)
    assert [endpoint for endpoint, dummy in rest.asked][-1] == "/retrieve"


def test_a_router_that_hangs_is_not_asked_for_hours() -> None:
    now, asked = [0.0], list[str]()

    def hangs(endpoint: str, dummy: t.Mapping[str, t.Any]) -> vyos_api.Answer:
        asked.append(endpoint)
        now[0] += 300
        raise vyos_api.Unanswered(f"no answer to {endpoint}")

    one = vyos_api.Api(hangs, patience=300, pause=lambda _: None, clock=lambda: now[0])
    with pytest.raises(VyosError, match="no answer to /configure"):
        one.commit(["set system host-name r2"], 5)
    assert asked == ["/configure", "/retrieve"]


@pytest.mark.parametrize("confirms", [True, False])
def test_when_commands_do_not_bring_it_back_the_clock_or_what_is_saved_does(confirms: bool) -> None:
    rest = Rest(Device(), confirms=confirms)
    before = rest.device.running
    rest.device.ignores = lambda path: "router-id" in path
    done = rest._configure

    def only_once(commands: t.Any, minutes: int) -> t.Any:
        rest._configure = refuse  # type: ignore[method-assign]
        return done(commands, minutes)

    def refuse(commands: t.Any, minutes: int) -> t.Any:
        return done([{"op": "set", "path": ["no", "such"]}], minutes)

    rest._configure = only_once  # type: ignore[method-assign]
    with pytest.raises(VyosError) as caught:
        converge(rest, MODEL)
    if confirms:
        assert "Within 5 min the router goes back to what is saved, by itself." in str(caught.value)
        assert rest.device.deadline == 300
    else:
        assert "What is saved was loaded instead: the configuration is as it was before." in str(caught.value)
        assert rest.device.running == before


def test_what_could_not_be_loaded_is_not_left_to_the_next_who_commits() -> None:
    rest = Rest(Device())
    rest.device.load("set protocols ospf area 0 network 10.0.0.0/8", save=False)
    rest.load_fails = True
    with pytest.raises(vyos_api.Refused, match="Commit failed"):
        way(rest).load_saved()
    assert OSPF in way(rest).paths()
    assert rest.left == frozenset()
    assert [endpoint for endpoint, dummy in rest.asked] == ["/config-file", "/configure", "/retrieve"]


def test_routes_are_filtered_again_by_each_session_that_is_up() -> None:
    rest = Rest(Device())
    model = {**MODEL, "prefix_lists": {"a": [{"prefix": "10.0.0.0/8"}]}}
    rest.device.down = {"10.0.0.3"}
    converge(rest, model)
    rest.device.typed.clear()
    model["prefix_lists"] = {"a": [{"prefix": "10.0.0.0/8", "ge": 9}]}
    converge(rest, model)
    assert [line for line in rest.device.typed if line.startswith("reset")] == ["reset bgp 10.0.0.2 soft"]


def test_a_look_says_that_routes_were_not_read() -> None:
    rest = Rest(Device())
    converge(rest, MODEL)
    found = vyos_session.looked(way(rest))
    assert [(one.neighbor, one.state) for one in found.sessions] == [
        ("10.0.0.2", "Established"),
        ("10.0.0.3", "Established"),
    ]
    assert (found.routes, found.routes_read) == ((), False)


# --- how it is reached


class Listening:
    """Takes connections and never says a word."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]

    def close(self) -> None:
        self._socket.close()


def https(port: int, ca_file: str = "", timeout: float = 30) -> vyos_https.Https:
    return vyos_https.Https(vyos_https.Settings("127.0.0.1", port, KEY, ca_file, bool(ca_file), timeout))


def test_a_router_that_takes_connections_and_says_nothing_is_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vyos_https, "_CONNECT", 0.2)
    silent = Listening()
    begun = time.monotonic()
    try:
        with pytest.raises(VyosError, match=r"does not answer\. Is the router up") as caught:
            https(silent.port)("/show", {"op": "show", "path": ["version"]})
    finally:
        silent.close()
    assert not isinstance(caught.value, vyos_api.Unanswered)
    assert time.monotonic() - begun < 10


def test_a_commit_has_all_of_the_time_and_reading_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vyos_https, "_CONNECT", 1.5)
    monkeypatch.setattr(vyos_https, "_READ", 0.3)
    rest = Rest(Device())
    serving = ApiServing(rest, tmp_path)
    try:
        one = https(serving.port, str(serving.certificate))
        rest.slow = [2]
        commands = vyos_api.operations(["set protocols ospf area 0 network 10.0.0.0/8"])
        assert one("/configure", {"commands": commands}).status == 200
        rest.answers = lambda _: time.sleep(2) is None
        with pytest.raises(vyos_api.Unanswered) as caught:
            one("/retrieve", {"op": "showConfig", "path": []})
    finally:
        serving.close()
    assert str(caught.value) == "The router did not answer to /retrieve within 0.3 s. Look whether it is overloaded."


GIVEN = {"host": "192.0.2.1", "port": 443, "key": "s3cret-k3y", "timeout": 300}


def test_settings_do_not_show_the_key() -> None:
    assert "s3cret" not in repr(vyos_https.parse(GIVEN))


def test_a_key_comes_from_a_file_that_only_we_read(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("s3cret-k3y\n")
    path.chmod(0o640)
    given = {**GIVEN, "key": "", "key_file": str(path)}
    with pytest.raises(InvalidInput, match=r"router_api_key_file = .*: Others may read it\. Type: chmod 0600"):
        vyos_https.parse(given, "router_api_")
    path.chmod(0o600)
    assert vyos_https.parse(given).key == "s3cret-k3y"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"key": ""}, "api.key = None: The API wants a key, given once."),
        ({"key_file": "/nowhere"}, "api.key = '(not shown)': It is there twice"),
        ({"key": "two s3cret-words"}, "api.key = '(not shown)': A key is one word."),
        ({"key": "", "key_file": "/nowhere"}, "api.key_file = '/nowhere': It cannot be read (No such file or directory)."),
        ({"host": ""}, "api.host = ''"),
        ({"host": "https://r2"}, "without 'https://' and a port"),
        ({"port": 0}, "api.port = 0: A port is a number from 1 to 65535."),
        ({"timeout": 0}, "api.timeout = 0"),
        ({"ca_file": "/nowhere"}, "api.ca_file = '/nowhere': It holds no certificates"),
        ({"ca_file": "/nowhere", "validate_certs": False}, "No certificate is looked at with validate_certs off."),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_a_remedy_and_without_the_key(given: Data, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        vyos_https.parse({**GIVEN, **given})
    assert said in str(caught.value)
    assert "s3cret" not in str(caught.value)
