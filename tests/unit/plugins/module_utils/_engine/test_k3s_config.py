# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import sys
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import block_yaml, k3s_cis, k3s_files
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import k3s_config as config
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_config import K3sMachine
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_flags import (
    FLAGS,
    Flag,
    find,
    known,
    release,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_layout import K3S
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_rules import broken
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_units import unit
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_values import checked
from ansible_collections.kateskit.klubster.plugins.module_utils._model.rules import Refused
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from k3s_settings import BAD, DUAL, Bad, agent, cluster, server

SHARED = f"{K3S.drop_ins}/10-klubster-cluster.yaml"


def machine_for(bad: Bad) -> K3sMachine:
    return server() if bad.role == "server" else agent()


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_mistake_is_refused_with_variable_value_rule_and_remedy(bad: Bad) -> None:
    problems = config.validate(bad.keys, cluster(**bad.cluster), machine_for(bad))
    found = [problem for problem in problems if bad.rule in problem.rule and bad.remedy in problem.remedy]
    assert found, [str(problem) for problem in problems]
    assert str(bad.blamed) in str(found[0])
    assert len(problems) <= 2, [str(problem) for problem in problems]
    if bad.hidden:
        assert bad.hidden not in str(problems)


def test_there_are_many_mistakes_in_the_table() -> None:
    assert len(BAD) >= 130


GOOD: list[tuple[str, dict[str, t.Any]]] = [
    ("server", {}),
    ("server", {"debug": True, "v": 4, "tls-san": "api.example.org, *.example.org,192.0.2.1,fd00::1"}),
    ("server", {"write-kubeconfig-mode": "0640", "write-kubeconfig-group": "adm"}),
    ("server", {"disable": ["traefik", "my-own-addon"], "disable-helm-controller": True}),
    ("server", {"etcd-s3": True, "etcd-s3-bucket": "b", "etcd-s3-endpoint": "s3.example.org:9000"}),
    ("server", {"etcd-s3": True, "etcd-s3-config-secret": "s3"}),
    ("server", {"etcd-snapshot-schedule-cron": "@every 6h", "etcd-snapshot-retention": 0}),
    ("server", {"secrets-encryption": True, "secrets-encryption-provider": "secretbox"}),
    ("server", {"kube-apiserver-arg": ["enable-admission-plugins+=AlwaysPullImages", "v=4"]}),
    ("server", {"flannel-external-ip": True, "node-external-ip": ["203.0.113.1"]}),
    ("agent", {"disable-apiserver-lb": True, "kubelet-arg": "max-pods=99", "selinux": True}),
    ("agent", {"container-runtime-endpoint": "unix:///run/x.sock", "airgap-extra-registry": ["r.example.org"]}),
]


@pytest.mark.parametrize(("role", "keys"), GOOD)
def test_good_keys_pass(role: str, keys: dict[str, t.Any]) -> None:
    machine = server() if role == "server" else agent()
    assert config.validate(keys, cluster(), machine) == []


def test_all_problems_are_reported_at_once() -> None:
    problems = config.validate({"debug": "x", "tokn": "a", "disable": 1}, cluster(), server(), variable="klubster_x")
    assert [problem.variable for problem in problems] == [
        "klubster_x.debug of s1",
        "klubster_x.tokn of s1",
        "klubster_x.disable of s1",
    ]


# The table of keys.


def test_every_row_of_the_table_is_sound() -> None:
    version = release("1.36.3+k3s1")
    for name, flag in FLAGS.items():
        assert name == flag.name
        assert flag.meaning or flag.removed
        assert not flag.removed or flag.instead
        for text in (*flag.since, *filter(None, [flag.removed])):
            release(text, any_minor=True)
        if flag.kind == "int" and not flag.removed:
            assert isinstance(checked(flag, flag.default or 1), int)
        if flag.default not in (None, ()) and not flag.removed:
            assert checked(flag, flag.default) == flag.default, name
        if flag.in_version(version) and flag.form:
            with pytest.raises(Refused):
                checked(flag, "\n" if flag.kind == "str" else {})


MUST_MATCH = """
    agent-token cluster-cidr cluster-dns cluster-domain disable-cloud-controller disable-helm-controller
    disable-kube-proxy disable-network-policy egress-selector-mode embedded-registry flannel-backend flannel-external-ip
    flannel-ipv6-masq secrets-encryption secrets-encryption-provider service-cidr
    supervisor-metrics
"""


def test_what_has_to_be_the_same_on_all_servers() -> None:
    assert sorted(name for name, flag in FLAGS.items() if flag.must_match) == MUST_MATCH.split()
    assert {name: flag.match_items for name, flag in FLAGS.items() if flag.match_items} == {"disable": ("servicelb",)}


@pytest.mark.parametrize(
    ("version", "there"),
    [
        ("1.31.11+k3s1", False),
        ("1.31.12+k3s1", True),
        ("1.32.7", False),
        ("v1.33.4-rc1+k3s1", True),
        ("1.30.14", False),
        ("1.35.0+k3s1", True),
    ],
)
def test_a_key_begins_with_a_patch_of_each_minor(version: str, there: bool) -> None:
    assert ("etcd-s3-retention" in known(release(version), "server")) is there


def test_look_up_by_role() -> None:
    version = release("1.34.2+k3s1")
    assert find("debug", version, "agent").scope == "both"
    assert "tls-san" not in known(version, "agent")
    assert "disable-apiserver-lb" not in known(version, "server")


# What becomes of it.


def test_the_first_server() -> None:
    found = config.effective(cluster(), server(labels={"zone": "a", "node-role.kubernetes.io/x": ""}), {})
    assert found == {
        "cluster-cidr": ("10.42.0.0/16",),
        "cluster-dns": ("10.43.0.10",),
        "cluster-domain": "cluster.local",
        "cluster-init": True,
        "disable": ("servicelb", "traefik"),
        "flannel-backend": "vxlan",
        "https-listen-port": 6443,
        "node-ip": ("192.0.2.11",),
        "node-label": ("zone=a",),
        "node-name": "s1",
        "node-taint": ("node-role.kubernetes.io/control-plane:NoSchedule",),
        "service-cidr": ("10.43.0.0/16",),
        "tls-san": ("api.home.internal", "192.0.2.11"),
        "token-file": "/etc/klubster/k3s/token",
    }


def test_others_join() -> None:
    second = config.effective(cluster(), server(first=False), {})
    assert second["server"] == "https://api.home.internal:6443"
    assert "cluster-init" not in second
    found = config.effective(cluster(agent_token=True, registration="fd00::1"), agent(taints=("a=b:NoExecute",)), {})
    assert found == {
        "node-ip": ("192.0.2.21",),
        "node-name": "a1",
        "node-taint": ("a=b:NoExecute",),
        "server": "https://[fd00::1]:6443",
        "token-file": "/etc/klubster/k3s/agent-token",
    }


def test_agents_may_have_a_token_of_their_own() -> None:
    found = config.effective(cluster(agent_token=True), server(), {})
    assert (found["token-file"], found["agent-token-file"]) == (K3S.token, K3S.agent_token)
    assert "agent-token-file" not in config.effective(cluster(), server(), {})


@pytest.mark.parametrize("key", ["tls-san", "bind-address"])
@pytest.mark.parametrize("in_list", [True, False])
def test_a_token_in_the_wrong_place_is_not_shown(key: str, in_list: bool) -> None:
    token = "K10" + "ab" * 32 + "::server:hunter22"
    (problem,) = config.validate({key: [token] if in_list else token}, cluster(), server())
    assert "hunter" not in str(problem)
    assert problem.value == (["(masked)"] if in_list else "(masked)")


@pytest.mark.parametrize(
    ("backend", "rule"),
    [
        ("ipsec", "no such backend since 1.27"),
        ("wireguard", "no such backend since 1.26"),
        ("wireguard=Mode=separate", "no such backend since 1.26"),
        ("vxlan2", "'vxlan2' is no value of this key"),
    ],
)
def test_backends_of_old_guides(backend: str, rule: str) -> None:
    with pytest.raises(Refused) as caught:
        checked(FLAGS["flannel-backend"], backend)
    assert rule in caught.value.rule


@pytest.mark.parametrize("datastore", ["sqlite", "external"])
def test_without_etcd_nobody_begins_and_nobody_joins(datastore: str) -> None:
    for machine in (server(), server(first=False)):
        found = config.effective(cluster(datastore=datastore), machine, {})
        assert not {"cluster-init", "server", "datastore-endpoint"} & set(found)


def test_another_cni_turns_off_what_k3s_brings() -> None:
    found = config.effective(cluster(cni="none", kube_proxy=False, secrets_encryption=True), server(), {})
    assert (found["flannel-backend"], found["disable-network-policy"]) == ("none", True)
    assert (found["disable-kube-proxy"], found["secrets-encryption"]) == (True, True)
    assert "node-taint" not in config.effective(cluster(open_servers=True), server(), {})


def test_lists_are_joined_and_the_rest_is_replaced() -> None:
    keys = {
        "tls-san": "api.example.org,192.0.2.11",
        "disable": ["traefik", "coredns"],
        "secrets-encryption": False,
        "kube-apiserver-arg": ["enable-admission-plugins=AlwaysPullImages", "audit-log-maxage=7", "v=2"],
    }
    found = config.effective(cluster(profile="cis"), server(), keys)
    assert found["tls-san"] == ("api.home.internal", "192.0.2.11", "api.example.org")
    assert found["disable"] == ("servicelb", "traefik", "coredns")
    assert found["secrets-encryption"] is False
    options = t.cast("tuple[str, ...]", found["kube-apiserver-arg"])
    assert options[-3:] == (
        "enable-admission-plugins=NodeRestriction,EventRateLimit,AlwaysPullImages",
        "audit-log-maxage=7",
        "v=2",
    )
    assert "audit-log-maxage=30" not in options
    assert "audit-log-maxsize=100" in options
    assert len(options) == 9


def written(config_: config.Config) -> dict[str, t.Any]:
    """What files hold: how a machine comes into the cluster is not for them to say."""
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in config_.items()}
    return {key: value for key, value in plain.items() if key not in ("cluster-init", "server")}


def test_files_say_what_is_effective_and_each_key_once() -> None:
    keys = {"tls-san": ["x.example.org"], "egress-selector-mode": "pod", "write-kubeconfig-mode": "0640"}
    given = cluster(kubelet_config={"maxPods": 9})
    found = config.effective(given, server(), keys)
    files = config.files(given, found)
    assert list(files) == [K3S.config, SHARED, f"{K3S.kubelet_drop_ins}/50-klubster.conf"]
    documents = [yaml.safe_load(files[path]) for path in (K3S.config, SHARED)]
    assert not set(documents[0]) & set(documents[1])
    assert documents[0]["write-kubeconfig-mode"] == "0640"
    assert k3s_files.as_k3s_merges(documents) == written(found) == k3s_files.read(files)
    assert yaml.safe_load(files[f"{K3S.kubelet_drop_ins}/50-klubster.conf"]) == {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "maxPods": 9,
    }
    assert list(config.files(cluster(), config.effective(cluster(), agent(), {}))) == [K3S.config]


def test_what_must_match_is_the_same_file_on_all_servers() -> None:
    given = cluster(**DUAL, secrets_encryption=True)
    first = config.files(given, config.effective(given, server(), {"debug": True, "disable": ["coredns"]}))
    other = config.files(given, config.effective(given, server(name="s2", node_name="s2", first=False), {}))
    assert first[SHARED] == other[SHARED]
    assert first[K3S.config] != other[K3S.config]


def test_merging_as_k3s_does() -> None:
    documents: list[dict[str, t.Any]] = [
        {"a": 1, "list": ["x"], "text": "t"},
        {"a": 2, "list+": ["y"], "text+": "u", "new+": "n"},
        {"list+": "z"},
    ]
    assert k3s_files.as_k3s_merges(documents) == {"a": 2, "list": ["x", "y", "z"], "text": ["t", "u"], "new": ["n"]}
    assert k3s_files.as_k3s_merges([*documents, {"list": ["only"]}])["list"] == ["only"]


def test_files_of_others_are_seen() -> None:
    assert k3s_files.strangers(["10-klubster-cluster.yaml", "z.yml", "a.yaml", "notes.txt"]) == ["a.yaml", "z.yml"]


def test_from_a_plan() -> None:
    plan: dict[str, t.Any] = {
        "engine": {"version": "1.34.2+k3s1", "kubelet_config": {"maxPods": 9}},
        "networks": {
            "pod": ["10.42.0.0/16", "fd00:42::/56"],
            "service": ["10.43.0.0/16", "fd00:43::/112"],
            "dns_domain": "d",
            "dns_address": "10.43.0.10",
        },
        "api": {"name": "api.home.internal", "port": 6443, "address": "192.0.2.11"},
        "cni": {"provider": "none", "backend": "vxlan"},
        "load_balancer": {"provider": "metallb"},
        "storage": {"local_path": {"enabled": True}},
        "open_servers": True,
        "single_node": True,
        "servers": ["s1"],
        "machines": [
            {"name": "s1", "node_name": "n1", "role": "server", "address": "192.0.2.11", "labels": {}, "taints": []},
            {
                "name": "a1",
                "node_name": "n2",
                "role": "agent",
                "address": "192.0.2.21",
                "labels": {"a": "b"},
                "taints": [],
            },
        ],
    }
    given = config.cluster_of(json.loads(json.dumps(plan)), profile="cis")
    assert (given.datastore, given.disabled, given.profile) == ("sqlite", ("servicelb", "local-storage"), "cis")
    assert given.exempt == ("local-path-storage",)
    assert given.dns_addresses == ("10.43.0.10", "fd00:43::a")
    first, second = config.machine_of(plan, "s1"), config.machine_of(plan, "a1")
    assert (first.first, first.node_name, second.first, second.labels) == (True, "n1", False, {"a": "b"})
    assert config.validate({}, given, first) == config.validate({}, given, second) == []


def test_rules_for_what_the_collection_would_never_write() -> None:
    """The engine's one-shot starts, and a configuration that somebody else made, are looked at by the same rules."""
    found = broken({"cluster-reset-restore-path": "/x"}, "server", datastore="etcd")
    assert [key for key, dummy, dummy in found] == ["cluster-reset-restore-path"]
    found = broken({"cluster-reset": True, "server": "https://x"}, "server", datastore="etcd")
    assert [key for key, dummy, dummy in found] == ["cluster-reset"]
    found = broken({"disable-agent": True}, "server", datastore="etcd")
    assert [key for key, dummy, dummy in found] == ["egress-selector-mode"]
    assert [key for key, dummy, dummy in broken({}, "agent", datastore="etcd")] == ["token-file", "server"]
    assert broken({"token": "x", "server": "https://x"}, "agent", datastore="etcd") == []


# YAML.

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALAR = st.one_of(st.booleans(), st.integers(-(2**63), 2**63), TEXT)
FLAT = st.dictionaries(TEXT, st.one_of(SCALAR, st.lists(SCALAR, max_size=4)), max_size=6)
NESTED = st.recursive(
    st.dictionaries(TEXT, st.one_of(SCALAR, st.lists(SCALAR, max_size=3)), max_size=4),
    lambda inner: st.dictionaries(TEXT, st.one_of(SCALAR, inner), max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(NESTED)
def test_yaml_reads_what_is_written(data: dict[str, t.Any]) -> None:
    assert yaml.safe_load(block_yaml.dumps(data)) == data


@settings(deadline=None)
@given(FLAT)
def test_nodes_read_what_is_written(data: dict[str, t.Any]) -> None:
    assert block_yaml.loads("# head\n" + block_yaml.dumps(data)) == data


ARGUMENTS = st.lists(st.from_regex(r"[a-z]{1,6}=[!-~]{0,8}", fullmatch=True), max_size=4, unique=True)
KEYS = st.fixed_dictionaries(
    {},
    optional={
        "debug": st.booleans(),
        "v": st.integers(0, 10),
        "etcd-snapshot-retention": st.integers(0, 99),
        "disable": st.lists(st.sampled_from(["traefik", "coredns", "runtimes", "mine"]), unique=True),
        "egress-selector-mode": st.sampled_from(["agent", "cluster", "pod", "disabled"]),
        "etcd-arg": ARGUMENTS,
        "kube-scheduler-arg": ARGUMENTS,
    },
)


@settings(deadline=None)
@given(KEYS, st.sampled_from(["", "cis"]))
def test_what_the_user_gave_comes_out_of_the_files(keys: dict[str, t.Any], profile: str) -> None:
    given_ = cluster(profile=profile)
    assert config.validate(keys, given_, server()) == []
    found = config.effective(given_, server(), keys)
    read = k3s_files.read(config.files(given_, found))
    assert read == written(found)
    for key, value in keys.items():
        assert set(value) <= set(read.get(key, [])) if isinstance(value, list) else read[key] == value
    assert config.effective(given_, server(), dict(reversed(keys.items()))) == found


@pytest.mark.parametrize(
    "text", ["a", "- x", "a: {b: 1}", "a: 1\na: 2", "a: no", "a: 0644", "  b: 1", "a: 1.5", "a: null"]
)
def test_a_file_of_somebody_else_is_not_guessed_at(text: str) -> None:
    with pytest.raises(block_yaml.YamlError, match="was not written by the collection"):
        block_yaml.loads(text)


@pytest.mark.parametrize("value", [None, 1.5, [["a"]], "\ud83d"])
def test_a_value_without_a_form_is_named(value: t.Any) -> None:
    with pytest.raises(block_yaml.YamlError):
        block_yaml.dumps({"a": value})


# The rest of the machine.


def test_cis_profile() -> None:
    found = config.effective(cluster(profile="cis"), server(), {})
    assert (found["protect-kernel-defaults"], found["secrets-encryption"]) == (True, True)
    assert f"audit-policy-file={k3s_cis.AUDIT}" in t.cast("tuple[str, ...]", found["kube-apiserver-arg"])
    on_agent = config.effective(cluster(profile="cis"), agent(), {})
    assert {"protect-kernel-defaults", "kubelet-arg"} < set(on_agent)
    assert "secrets-encryption" not in on_agent
    assert config.validate({}, cluster(profile="cis"), server()) == []
    placed = k3s_cis.files("server", ["openebs"])
    admission = yaml.safe_load(placed[k3s_cis.ADMISSION])
    assert [plugin["name"] for plugin in admission["plugins"]] == ["PodSecurity", "EventRateLimit"]
    security = admission["plugins"][0]["configuration"]
    assert security["defaults"]["enforce"] == "restricted"
    assert security["exemptions"]["namespaces"][-1] == "openebs"
    assert k3s_cis.files("agent") == {}


@pytest.mark.parametrize("role", ["server", "agent"])
def test_units(role: t.Any) -> None:
    text = unit(K3S, role)
    name = "k3s" if role == "server" else "k3s-agent"
    for line in (
        "Type=notify",
        "KillMode=process",
        "Delegate=yes",
        "TimeoutStartSec=0",
        "Restart=always",
        f"ExecStart=/usr/local/bin/k3s {role}",
        f"EnvironmentFile=-/etc/systemd/system/{name}.service.env",
    ):
        assert f"\n{line}\n" in text


@pytest.mark.parametrize(
    ("version", "own", "programs"),
    [
        ("1.34.2+k3s1", False, "/var/lib/rancher/k3s/data/cni"),
        ("1.30.6+k3s1", False, "/var/lib/rancher/k3s/data/cni"),
        ("1.30.5+k3s1", False, "/var/lib/rancher/k3s/data/current/bin"),
        ("1.31.1+k3s1", False, "/var/lib/rancher/k3s/data/current/bin"),
        ("1.34.2+k3s1", True, "/opt/cni/bin"),
    ],
)
def test_cni_directories(version: str, own: bool, programs: str) -> None:
    found = K3S.cni_directories(release(version), own_cni=own)
    assert found == (programs, "/etc/cni/net.d" if own else "/var/lib/rancher/k3s/agent/etc/cni/net.d")


def test_secrets_never_come_into_a_configuration() -> None:
    """Every key that may hold one is refused, so no file of these can."""
    assert [flag.name for flag in FLAGS.values() if flag.secret and not (flag.ours or flag.removed)] == []
    assert isinstance(FLAGS["token"], Flag)
