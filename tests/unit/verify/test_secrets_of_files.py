# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "verify"))

from secrets_of_files import SHOW, shown, within

KEY = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIKpublicpublic\n-----END EC PRIVATE KEY-----\n"
KUBECONFIG = "apiVersion: v1\nkind: Config\nusers:\n- name: default\n  user: {client-key-data: a2V5a2V5a2V5a2V5}\n"
ENCRYPTION = {
    "kind": "EncryptionConfiguration",
    "resources": [
        {
            "resources": ["secrets"],
            "providers": [{"aescbc": {"keys": [{"name": "k", "secret": "c2VjcmV0a2V5"}]}}, {"identity": {}}],
        }
    ],
}


@pytest.mark.parametrize(
    ("path", "text", "secrets"),
    [
        ("/var/lib/rancher/k3s/server/token", "K10abcdef::server:the-password\n", ["the-password"]),
        ("/etc/klubster/k3s/agent-token", "plain-password", ["plain-password"]),
        ("/etc/rancher/k3s/k3s.yaml", KUBECONFIG, ["a2V5a2V5a2V5a2V5"]),
        ("/var/lib/rancher/k3s/server/tls/server-ca.key", KEY, [KEY]),
        ("/var/lib/rancher/k3s/server/cred/encryption-config.json", json.dumps(ENCRYPTION), ["c2VjcmV0a2V5"]),
        ("/etc/rancher/node/password", "0123456789abcdef\n", ["0123456789abcdef"]),
        (
            "/etc/rancher/k3s/registries.yaml",
            "configs:\n  r.example.org:\n    auth: {username: me, password: 'of-registry'}\nmirrors: {}\n",
            ["of-registry"],
        ),
        (
            "/etc/systemd/system/k3s.service.env",
            "HTTP_PROXY=http://me:of-proxy@p:3128\nK3S_DATASTORE_ENDPOINT='mysql://k3s:of-database@tcp(db:3306)/k3s'\n",
            ["of-proxy", "of-database"],
        ),
    ],
)
def test_what_is_secret_in_a_file(path: str, text: str, secrets: list[str]) -> None:
    assert list(within(path, text)) == secrets


def test_the_command_finds_keys_by_content_and_tokens_by_name(tmp_path: Path) -> None:
    server = tmp_path / "var/lib/rancher/k3s/server"
    (server / "tls").mkdir(parents=True)
    (server / "tls/ca.key").write_text(KEY)
    (server / "tls/ca.crt").write_text("-----BEGIN CERTIFICATE-----\n")
    (server / "token").write_text("K10abc::server:the-password")
    command = SHOW.replace(" /", f" {tmp_path}/")
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    found = {path.removeprefix(str(server)): secrets for path, secrets in shown(done.stdout).items()}
    assert found["/token"] == ["the-password"]
    assert sorted(found) == ["/tls/ca.key", "/token"]
    assert found["/tls/ca.key"][0].startswith("-----BEGIN EC PRIVATE KEY")
