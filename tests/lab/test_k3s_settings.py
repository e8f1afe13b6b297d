# SPDX-License-Identifier: Apache-2.0
"""Settings of k3s on real machines, with the stand-in: profile, CAs of one's own, must-match keys, datastores.

By name only: `pytest tests/lab/test_k3s_settings.py`. One server, one agent, and a machine beside them for PostgreSQL.
Needs the stand-in's release of the catalogue's version; the datastores also need kine in it (first
tests/standin/kine_build.py --build) and the host's own Debian package postgresql-15, which is carried to that machine.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from causes import have_k3s

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
NAME = "k3s-settings"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "klubster"
SERVER = "/var/lib/rancher/k3s/server"
POSTGRES = Path("/usr/lib/postgresql/15")
#: of a database that lives for a minute
PASSWORD = "hunter2hunter2"
LAB = """\
plugin: kateskit.klubster.lab
name: {name}
segments:
  lan: {{network: 10.82.1.0/24}}
machines:
  server1: {{groups: [servers], addresses: {{lan: 10.82.1.11}}}}
  agent1: {{groups: [agents], addresses: {{lan: 10.82.1.21}}}}
  client: {{groups: [clients], addresses: {{lan: 10.82.1.100}}}}
"""
CLUSTER = """\
klubster_name: k3s-settings
klubster_engine: k3s
klubster_engine_source: airgap
klubster_airgap_dir: {releases}
klubster_k3s_config: {{kube-proxy-arg: [conntrack-max-per-core=0, conntrack-min=0]}}
klubster_kube_proxy_config: {{}}
"""


@dataclass
class Lab:
    """An inventory of its own, and what is run on it."""

    folder: Path

    def playbook(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [str(BIN / "ansible-playbook"), "-i", str(self.folder), f"playbooks/{name}.yml", *arguments]
        environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}
        return subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500, check=False)

    def site(self, *arguments: str, changed: bool | None = None) -> str:
        done = self.playbook("site", *arguments)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
        if changed is not None:
            assert bool(re.search(r"changed=[1-9]", done.stdout)) is changed, done.stdout[-4000:]
        return done.stdout

    def refused(self, *arguments: str) -> str:
        done = self.playbook("site", *arguments)
        assert done.returncode != 0, done.stdout[-4000:]
        assert not re.search(r"changed=[1-9]", done.stdout), done.stdout[-2000:]
        return " ".join((done.stdout + done.stderr).split())

    def on(self, machine: str, command: str) -> str:
        argv = [str(BIN / "ansible"), "-i", str(self.folder), machine, "-m", "ansible.builtin.shell", "-a", command]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.partition(">>")[2].strip()

    def verify(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [str(BIN / "pytest"), "-q", "tests/verify", "--inventory", str(self.folder), *arguments]
        return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)

    def set(self, **values: t.Any) -> None:
        """Settings of this inventory beside those that stay."""
        (self.folder / "group_vars/all/90-settings.yml").write_text(yaml.safe_dump(values), encoding="utf-8")

    def processes(self) -> str:
        """k3s and its parts, with their starts."""
        return self.on("server1", "ps -eo pid,lstart,args | grep -E 'k3s|kube|etcd' | grep -v grep | cut -c1-80")

    def reset(self) -> None:
        done = self.playbook("reset", "-e", "klubster_reset=k3s-settings")
        assert done.returncode == 0, done.stdout[-3000:]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Lab]:
    have_k3s()
    folder = tmp_path_factory.mktemp("inventory")
    shutil.copytree(ROOT / "inventories/lab_k3s/group_vars", folder / "group_vars")
    common = folder / "group_vars/all/10-lab.yml"
    common.write_text(common.read_text(encoding="utf-8").replace("10.77.0", "10.82.1"), encoding="utf-8")
    releases = os.environ.get("KLUBSTER_TEST_K3S_DIR") or CACHE / "standin-releases"
    (folder / "group_vars/all/20-k3s.yml").write_text(CLUSTER.format(releases=releases), encoding="utf-8")
    (folder / "lab.yml").write_text(LAB.format(name=NAME), encoding="utf-8")
    made = Lab(folder)
    done = made.playbook("lab_up")
    assert done.returncode == 0, done.stdout + done.stderr
    try:
        yield made
    finally:
        done = made.playbook("lab_down")
        assert done.returncode == 0, done.stdout + done.stderr


def authority(folder: Path) -> Path:
    """CAs that chain to one root, made as a user would with openssl."""
    (folder / "etcd").mkdir(parents=True)

    def make(stem: str, *options: str) -> None:
        key, certificate = folder / f"{stem}.key", folder / f"{stem}.crt"
        common = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"]
        constraints = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"]
        argv = ["openssl", "req", "-x509", *common, *constraints, "-subj", f"/CN={stem.replace('/', '-')}"]
        argv += ["-keyout", str(key), "-out", str(certificate), *options]
        subprocess.run(argv, check=True, capture_output=True)

    make("root")
    root = (folder / "root.crt").read_text(encoding="ascii")
    for stem in ("server-ca", "client-ca", "request-header-ca", "etcd/server-ca", "etcd/peer-ca"):
        make(stem, "-CA", str(folder / "root.crt"), "-CAkey", str(folder / "root.key"))
        with (folder / f"{stem}.crt").open("a", encoding="ascii") as file:
            file.write(root)
    made = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(folder / "service.key")]
    subprocess.run(made, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def hardened(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    folder = authority(tmp_path_factory.mktemp("ca") / "ca")
    lab.set(klubster_profile="cis", klubster_ca_dir=str(folder))
    lab.site(changed=True)
    return lab


def test_the_profile_holds(hardened: Lab) -> None:
    done = hardened.verify("--cis", "-k", "test_cis")
    assert done.returncode == 0, done.stdout


def test_nothing_is_done_twice(hardened: Lab) -> None:
    hardened.site(changed=False)


def test_the_clusters_ca_is_the_users_own(hardened: Lab) -> None:
    settings = yaml.safe_load((hardened.folder / "group_vars/all/90-settings.yml").read_text(encoding="utf-8"))
    given = Path(settings["klubster_ca_dir"])
    kubeconfig = yaml.safe_load((CACHE / "labs" / NAME / "kubeconfig.yaml").read_text(encoding="utf-8"))
    found = base64.b64decode(kubeconfig["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
    assert found == (given / "server-ca.crt").read_text(encoding="ascii")
    # What the API shows of itself leads to the user's root, by another program than ours.
    asked = "python3 -c 'import ssl; print(ssl.get_server_certificate((\"127.0.0.1\", 6443)))'"
    chain = given.parent / "shown.pem"
    chain.write_text(hardened.on("server1", asked) + "\n", encoding="ascii")
    proved = ["openssl", "verify", "-CAfile", str(given / "root.crt"), "-untrusted", str(given / "server-ca.crt")]
    subprocess.run([*proved, str(chain)], check=True, capture_output=True)


def test_what_was_loosened_is_seen_and_mended(hardened: Lab) -> None:
    hardened.on("server1", f"chmod 755 {SERVER}/logs")
    before = hardened.processes()
    assert hardened.verify("--cis", "-k", "test_files_are_for_root_alone").returncode == 1
    hardened.site(changed=True)
    assert hardened.verify("--cis", "-k", "test_files_are_for_root_alone").returncode == 0
    assert hardened.processes() == before


@pytest.mark.parametrize(
    ("given", "variable"),
    [
        ("klubster_pod_network=10.99.0.0/16", "klubster_pod_network"),
        ("klubster_cni_backend=host-gw", "klubster_cni, klubster_cni_backend"),
        ("klubster_profile=none", "klubster_secrets_encryption, or klubster_profile"),
    ],
)
def test_a_living_cluster_keeps_what_must_match(hardened: Lab, given: str, variable: str) -> None:
    before = hardened.processes()
    said = hardened.refused("-e", given)
    assert f"{variable} = " in said
    assert "A living cluster keeps k3s's" in said
    assert "server1 runs with" in said
    assert "Set it back" in said
    assert hardened.processes() == before


def test_another_ca_is_refused(hardened: Lab, tmp_path: Path) -> None:
    said = hardened.refused("-e", f"klubster_ca_dir={authority(tmp_path / 'other')}")
    assert "The cluster lives with another CA" in said


def test_the_profile_goes_by_the_rolling_plays(hardened: Lab) -> None:
    before = hardened.processes()
    settings = yaml.safe_load((hardened.folder / "group_vars/all/90-settings.yml").read_text(encoding="utf-8"))
    hardened.set(**{**settings, "klubster_profile": "none", "klubster_secrets_encryption": True})
    said = hardened.site(changed=True)
    assert "Change servers, one at a time" in said
    assert hardened.processes() != before
    assert "psa.yaml" not in hardened.on("server1", f"ls {SERVER}")
    hardened.site(changed=False)


@pytest.fixture(scope="module")
def bare(lab: Lab) -> Lab:
    """No cluster; kine is in the stand-in."""
    kine = subprocess.run(
        [sys.executable, ROOT / "tests/standin/kine_build.py"], capture_output=True, text=True, check=False
    )
    if kine.returncode != 0 and "KLUBSTER_TEST_K3S_DIR" not in os.environ:
        pytest.skip(kine.stderr)
    lab.reset()
    lab.set()
    return lab


def test_a_single_node_keeps_its_data_in_sqlite(bare: Lab) -> None:
    single = "10-klubster-cluster.yaml"
    bare.set(klubster_single_node=True)
    inventory = bare.folder / "lab.yml"
    whole = inventory.read_text(encoding="utf-8")
    inventory.write_text(whole.replace("[agents]", "[idle]"), encoding="utf-8")
    try:
        bare.site(changed=True)
        assert bare.on("server1", f"head -c 15 {SERVER}/db/state.db") == "SQLite format 3"
        assert "cluster-init" not in bare.on("server1", f"cat /etc/rancher/k3s/config.yaml.d/{single}")
        assert bare.on("server1", f"ls {SERVER}/db") == "state.db\nstate.db-shm\nstate.db-wal"
        bare.site(changed=False)
        bare.reset()
    finally:
        inventory.write_text(whole, encoding="utf-8")


@pytest.fixture
def database(lab: Lab) -> str:
    """PostgreSQL on the machine beside the cluster; its endpoint."""
    programs = [str(POSTGRES / "bin" / name) for name in ("postgres", "initdb", "pg_ctl", "psql")]
    libraries = subprocess.run(["ldd", *programs], check=True, capture_output=True, text=True).stdout
    needed = sorted(set(re.findall(r"(/\S+) \(0x", libraries)))
    carried = [str(POSTGRES), "/usr/share/postgresql/15", *needed]
    config = CACHE / "labs" / NAME / "ssh/config"
    hosts = yaml.safe_load(
        subprocess.run(
            [str(BIN / "ansible-inventory"), "-i", str(lab.folder), "--host", "client", "--yaml"],
            cwd=ROOT, check=True, capture_output=True, text=True,
        ).stdout
    )  # fmt: skip
    argv = ["ssh", "-F", str(config), str(hosts["ansible_host"]), "tar -xzf - -C / --skip-old-files"]
    with subprocess.Popen(["tar", "-czhf", "-", *carried], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as packed:
        subprocess.run(argv, stdin=packed.stdout, check=True, capture_output=True)
    tool = f"cd / && runuser -u nobody -- {POSTGRES}/bin"
    lab.on("client", "install -d -o nobody /var/lib/pg /var/run/postgresql")
    lab.on("client", f"{tool}/initdb -D /var/lib/pg/data -A trust -U postgres > /dev/null")
    lab.on("client", "echo 'host all all 10.82.1.0/24 scram-sha-256' >> /var/lib/pg/data/pg_hba.conf")
    options = "-c listen_addresses=0.0.0.0 -c jit=off"
    lab.on("client", f"{tool}/pg_ctl -D /var/lib/pg/data -w -l /var/lib/pg/log -o '{options}' start > /dev/null")
    role = f"create role k3s superuser login password '{PASSWORD}'"
    lab.on("client", f'{tool}/psql -q -U postgres -c "{role}"')
    return f"postgres://k3s:{PASSWORD}@10.82.1.100:5432/k3s"


def test_servers_share_a_postgresql(bare: Lab, database: str) -> None:
    bare.set(klubster_k3s_datastore=database)
    said = bare.site("--diff", "-vvv", changed=True)
    assert PASSWORD not in said
    assert bare.on("server1", f"ls {SERVER}/db") == ""
    query = "psql -At -U postgres k3s -c 'select count(*) from kine'"
    assert int(bare.on("client", f"cd / && runuser -u nobody -- {POSTGRES}/bin/{query}")) > 100
    assert PASSWORD not in bare.on("server1", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    # Ansible writes this command itself into the machine's journal, so it does not have the password in it.
    holding = (
        "grep -rlE 'hunter[2]hunter2' /etc /var/lib/klubster /var/lib/rancher/k3s/server /var/log 2>/dev/null || true"
    )
    found = bare.on("server1", holding).split()
    assert found == ["/etc/systemd/system/k3s.service.env"]
    assert bare.on("server1", f"stat -c %a {found[0]}") == "600"
    bare.site(changed=False)
    bare.reset()
