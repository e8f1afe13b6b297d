# SPDX-License-Identifier: Apache-2.0
"""Configuration of the stand-in: merging, flags, refusals."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from k3s_standin import config, flags, validate
from k3s_standin.log import Fatal
from k3s_standin.paths import Paths
from k3s_standin.record import Record

DISABLE = "--disable=traefik,metrics-server,servicelb"


def load(
    folder: Path, *arguments: str, role: flags.Role = "server", record: Record | None = None, **files: str
) -> config.Settings:
    """Settings from files; ``base`` is config.yaml, any other a drop-in."""
    base = folder / "config.yaml"
    for name, text in files.items():
        path = base if name == "base" else folder / "config.yaml.d" / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return config.load(role, [f"--config={base}", *arguments], record or Record())


def refused(settings: config.Settings, folder: Path) -> str:
    with pytest.raises(Fatal) as caught:
        validate.check(settings, Paths(folder), Record())
    return str(caught.value)


@pytest.mark.parametrize(
    ("files", "key", "values"),
    [
        # k3s.md A.10: the last file that names a key counts
        ({"base": "token: a", "10": "token: b", "20": "debug: true"}, "token", ["b"]),
        ({"10": "token: only"}, "token", ["only"]),
        # key+ appends, and makes a list of both
        ({"base": "tls-san: a", "10": "tls-san+: [b, c]"}, "tls-san", ["a", "b", "c"]),
        ({"base": "tls-san+: a"}, "tls-san", ["a"]),
        # without + after a + the total is overwritten
        ({"base": "tls-san: [a]", "10": "tls-san+: [b]", "20": "tls-san: [c]"}, "tls-san", ["c"]),
        # k3s splits these itself, and arguments not
        ({"base": "disable: 'traefik,servicelb'"}, "disable", ["traefik", "servicelb"]),
        ({"base": "kubelet-arg: ['a=1,2']"}, "kubelet-arg", ["a=1,2"]),
        ({"base": "t: short"}, "token", ["short"]),
    ],
)
def test_files_are_merged(tmp_path: Path, files: dict[str, str], key: str, values: list[str]) -> None:
    assert load(tmp_path, **files).values(key) == values


def test_files_that_are_no_drop_ins_are_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "config.yaml.d"
    (folder / "sub.yaml").mkdir(parents=True)
    (folder / "20.yml").write_text("token: yml")
    (folder / "30.json").write_text('{"token": "json"}')
    assert load(tmp_path).text("token") == "yml"


def test_environment_is_below_files_and_the_command_line_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # k3s.md A.10: env < config < CLI
    monkeypatch.setenv("K3S_TOKEN", "environment")
    assert load(tmp_path).text("token") == "environment"
    assert load(tmp_path, base="token: file").text("token") == "file"
    assert load(tmp_path, "--token=line").text("token") == "line"
    other = tmp_path / "other.yaml"
    other.write_text("token: other")
    monkeypatch.setenv("K3S_CONFIG_FILE", str(other))
    assert load(tmp_path).text("token") == "other"


def test_unknown_keys_are_skipped_and_recorded(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    # k3s.md A.10: a typo is silent except in the log
    record = Record()
    load(tmp_path, role="agent", record=record, base="tokn: x\nflannel-backend: none\ntoken: y")
    assert [entry["subject"] for entry in record.entries] == ["tokn", "flannel-backend"]
    assert 'msg="Unknown flag --tokn found in config.yaml, skipping"' in capfd.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("https-listen-port: many", 'invalid value "many" for flag -https-listen-port'),
        ("debug: perhaps", 'invalid boolean value "perhaps" for -debug'),
        ("etcd-s3-timeout: soon", 'invalid value "soon" for flag -etcd-s3-timeout'),
        ("token: {a: b}", "not in the stand-in: the value of token"),
        ("- a", "it is no mapping of keys"),
        ("a: [", "failed to load configuration"),
    ],
)
def test_values_of_the_wrong_kind_are_fatal(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(Fatal, match=said.replace("[", r"\[")):
        load(tmp_path, base=text)


@pytest.mark.parametrize("word", ["--no-such-flag", "--no-flannel", "stray", "--server="[:-1]])
def test_the_command_line_is_strict(tmp_path: Path, word: str) -> None:
    with pytest.raises(Fatal, match="Incorrect Usage"):
        load(tmp_path, word)


def test_lists_on_the_command_line_and_in_files_are_one(tmp_path: Path) -> None:
    assert load(tmp_path, "--tls-san=b", base="tls-san: [a]").values("tls-san") == ["a", "b"]


@pytest.mark.parametrize(
    ("role", "arguments", "said"),
    [
        # k3s.md A.13
        ("agent", ["--server=https://a:6443"], "--token is required"),
        ("agent", ["--token=a"], "--server is required"),
        ("server", ["--cluster-reset", "--server=https://a:6443", "--token=a"], "cannot perform cluster-reset while"),
        ("server", ["--cluster-reset-restore-path=/a"], "--cluster-reset required"),
        ("server", ["--disable-etcd"], "--server is required"),
        ("server", ["--server=https://a:6443"], "--token is required"),
        ("server", ["--cluster-cidr=10.42.0.0/99"], "invalid cluster-cidr"),
        ("server", ["--service-cidr=10.0.0.0/8"], "invalid service-cidr"),
        ("server", ["--cluster-dns=10.44.0.10"], "10.44.0.10 is not in any service CIDR"),
        ("server", ["--service-node-port-range=5-x"], "invalid port range"),
        ("server", ["--egress-selector-mode=some"], "invalid egress-selector-mode"),
        ("server", ["--secrets-encryption-provider=rot13"], "unsupported secrets-encryption-provider"),
        ("server", ["--flannel-backend=ipsec"], "unknown flannel backend"),
        ("server", ["--node-label=node-role.kubernetes.io/worker=true"], "unknown 'kubernetes.io' or 'k8s.io' labels"),
        # what the stand-in lacks it says
        ("server", ["--disable=traefik"], "not in the stand-in: metrics-server"),
        ("server", [DISABLE, "--cluster-reset"], "not in the stand-in: --cluster-reset"),
        ("server", [DISABLE, "--flannel-backend=wireguard-native"], "not in the stand-in: --flannel-backend"),
        ("server", [DISABLE, "--cluster-cidr=10.42.0.0/16,fd00:42::/56"], "not in the stand-in: --cluster-cidr"),
        ("agent", ["--token=a", "--server=https://a:6443", "--docker"], "not in the stand-in: --docker"),
    ],
)
def test_what_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, role: flags.Role, arguments: list[str], said: str
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert said in refused(load(tmp_path, *arguments, role=role), tmp_path)


def test_only_root_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert "must run as root" in refused(load(tmp_path, DISABLE), tmp_path)


def test_what_has_no_effect_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    record = Record()
    settings = load(tmp_path, DISABLE, "--selinux", "--rootless=false", "--disable-network-policy", record=record)
    validate.check(settings, Paths(tmp_path), record)
    found = {(entry["kind"], entry["subject"]) for entry in record.entries}
    assert ("not-covered", "selinux") in found
    assert ("not-covered", "helm-controller") in found
    assert ("not-covered", "rootless") not in found


def test_the_record_is_a_file_of_this_start(tmp_path: Path) -> None:
    (tmp_path / "record.jsonl").write_text("old\n")
    record = Record()
    record.add("unknown-key", "a")
    record.open(tmp_path)
    record.add("not-covered", "b", "why")
    record.add("not-covered", "b", "why")
    lines = (tmp_path / "record.jsonl").read_text().splitlines()
    assert [t.cast("dict[str, str]", __import__("json").loads(line))["subject"] for line in lines] == ["a", "b"]


def test_every_flag_of_the_contract_is_in_the_table() -> None:
    """By count for each scope, so that a line lost while editing shows."""
    scopes = [flag.scope for flag in flags.FLAGS.values()]
    assert {scope: scopes.count(scope) for scope in ("server", "agent", "both")} == {
        "server": 81,
        "agent": 1,
        "both": 45,
    }
    assert flags.FLAGS["token"].secret
    assert flags.of("agent")["t"].name == "token"
    assert "cluster-init" not in flags.of("agent")
