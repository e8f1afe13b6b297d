# SPDX-License-Identifier: Apache-2.0
"""Tokens, CAs and certificates of the stand-in, held against openssl and hashlib."""

from __future__ import annotations

import hashlib
import json
import ssl
import subprocess
from pathlib import Path

import pytest
from k3s_standin import config, keys, token, x509
from k3s_standin.identity import Identity
from k3s_standin.paths import Paths

HASH = "a" * 64


def openssl(folder: Path, *arguments: str) -> str:
    return subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        # k3s.md C.1
        ("geheim\n", ("server", "geheim", "", "")),
        (f"K10{HASH}::server:ge:heim", ("server", "ge:heim", HASH, "")),
        (f"K10{HASH}::node:x", ("node", "x", HASH, "")),
        ("abcdef.0123456789abcdef", ("", "", "", "abcdef.0123456789abcdef")),
        (f"K10{HASH}::abcdef.0123456789abcdef", ("", "", HASH, "abcdef.0123456789abcdef")),
    ],
)
def test_tokens_are_read(text: str, parts: tuple[str, ...]) -> None:
    found = token.parse(text, "server")
    assert (found.user, found.password, found.ca_hash, found.bootstrap) == parts


@pytest.mark.parametrize("text", ["", " \n", "K10", f"K10{HASH}:server:x", f"K10{HASH}::server", "K10abc::server:x"])
def test_what_is_no_token(text: str) -> None:
    with pytest.raises(token.TokenError):
        token.parse(text, "server")


def test_the_hash_of_a_self_signed_ca_is_that_of_its_file(tmp_path: Path) -> None:
    x509.ensure_authority(tmp_path, "ca", "k3s-server-ca")
    pem = (tmp_path / "ca.crt").read_text()
    assert token.ca_hash(pem) == hashlib.sha256(pem.encode()).hexdigest()
    token.compare(token.parse(f"K10{token.ca_hash(pem)}::server:x", "server"), pem)
    token.compare(token.parse("short", "server"), pem)
    with pytest.raises(token.TokenError, match=f"token CA hash does not match the Cluster CA certificate hash: {HASH}"):
        token.compare(token.parse(f"K10{HASH}::server:x", "server"), pem)


def test_the_hash_of_a_chain_is_that_of_its_root(tmp_path: Path) -> None:
    use = ("-addext", "keyUsage=critical,keyCertSign")
    openssl(
        tmp_path,
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-noenc",
        "-keyout",
        "r.key",
        "-out",
        "r.crt",
        "-subj",
        "/CN=root",
        *use,
    )
    (tmp_path / "ca.ext").write_text("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n")
    openssl(
        tmp_path, "req", "-newkey", "rsa:2048", "-noenc", "-keyout", "ca.key", "-out", "ca.csr", "-subj", "/CN=middle"
    )
    openssl(
        tmp_path,
        "x509",
        "-req",
        "-in",
        "ca.csr",
        "-CA",
        "r.crt",
        "-CAkey",
        "r.key",
        "-CAcreateserial",
        "-out",
        "m.crt",
        "-extfile",
        "ca.ext",
    )
    chain = (tmp_path / "m.crt").read_text() + (tmp_path / "r.crt").read_text()
    (tmp_path / "ca.crt").write_text(chain)
    root = ssl.PEM_cert_to_DER_cert((tmp_path / "r.crt").read_text())
    assert token.ca_hash(chain) == hashlib.sha256(root).hexdigest()
    # A CA of the user's own (k3s.md C.7) signs, with an RSA key in PKCS 8 form.
    text, _key = x509.load(tmp_path / "ca.crt", tmp_path / "ca.key").issue("leaf", uses=("server",), names=["a.lab"])
    (tmp_path / "leaf.crt").write_text(text)
    assert "leaf.crt: OK" in openssl(tmp_path, "verify", "-CAfile", "r.crt", "-untrusted", "ca.crt", "leaf.crt")


def test_openssl_takes_what_we_issue(tmp_path: Path) -> None:
    authority = x509.ensure_authority(tmp_path, "ca", "k3s-client-ca")
    text, key = authority.issue("system:node:a", groups=["system:nodes"], names=["10.0.0.1", "a.lab"], uses=("server",))
    (tmp_path / "leaf.crt").write_text(text)
    (tmp_path / "leaf.key").write_text(key)
    assert "leaf.crt: OK" in openssl(tmp_path, "verify", "-x509_strict", "-CAfile", "ca.crt", "leaf.crt")
    shown = openssl(tmp_path, "x509", "-in", "leaf.crt", "-noout", "-text", "-nameopt", "RFC2253")
    assert "Subject: CN=system:node:a,O=system:nodes" in shown
    assert "IP Address:10.0.0.1, DNS:a.lab" in shown
    openssl(tmp_path, "ec", "-in", "leaf.key", "-check", "-noout")
    end = openssl(tmp_path, "x509", "-in", "leaf.crt", "-noout", "-enddate", "-dateopt", "iso_8601")
    assert abs(x509.expires(text) - ssl.cert_time_to_seconds(_ssl_form(tmp_path))) < 1, end
    ssl.create_default_context().load_cert_chain(tmp_path / "leaf.crt", tmp_path / "leaf.key")


def _ssl_form(folder: Path) -> str:
    return openssl(folder, "x509", "-in", "leaf.crt", "-noout", "-enddate").strip().partition("=")[2]


def test_keys_that_we_cannot_sign_with() -> None:
    with pytest.raises(ValueError, match="no private key"):
        keys.load("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    found = Identity(Paths(tmp_path))
    settings = config.Settings("server", {"secrets-encryption": ["true"]}, ())
    found.create(settings)
    found.set_passwords("geheim", "geheim")
    found.write_tokens()
    return found


def test_a_server_writes_its_files(identity: Identity, tmp_path: Path) -> None:
    # k3s.md B.4
    paths = Paths(tmp_path)
    digest = hashlib.sha256((paths.tls / "server-ca.crt").read_bytes()).hexdigest()
    assert paths.token.read_text() == f"K10{digest}::server:geheim\n"
    assert paths.node_token.readlink() == paths.token
    assert paths.agent_token.readlink() == paths.token
    assert paths.token.stat().st_mode & 0o777 == 0o600
    resources = json.loads(paths.encryption.read_text())["resources"]
    assert list(resources[0]["providers"][0]) == ["aescbc"]
    identity.set_passwords("geheim", "andere")
    identity.write_tokens()
    assert paths.agent_token.read_text() == f"K10{digest}::node:andere\n"


def test_certificates_are_kept_until_something_changes(identity: Identity, tmp_path: Path) -> None:
    leaf = tmp_path / "server/tls/serving-k3s.crt"
    identity.issue(["a", "127.0.0.1"], ["10.43.0.1"])
    first = leaf.read_bytes()
    identity.issue(["a", "127.0.0.1"], ["10.43.0.1"])
    assert leaf.read_bytes() == first
    identity.issue(["a", "b", "127.0.0.1"], ["10.43.0.1"])
    assert leaf.read_bytes() != first


def test_another_server_gets_the_same_cas(identity: Identity, tmp_path: Path) -> None:
    other = Identity(Paths(tmp_path / "other"))
    other.adopt(identity.export())
    other.create(config.Settings("server", {}, ()))
    assert other.export() == identity.export()
    assert {"tls/service.key", "cred/encryption-config.json", "tls/etcd/peer-ca.key"} < set(other.export())


def test_who_signs_for_clients_stands_alone(tmp_path: Path) -> None:
    """A user's file holds those above it too, and kube-controller-manager takes one certificate only."""
    paths = Paths(tmp_path)
    for stem in ("root", "client-ca"):
        x509.ensure_authority(paths.tls, stem, stem)
    own, root = ((paths.tls / f"{stem}.crt").read_text() for stem in ("client-ca", "root"))
    (paths.tls / "client-ca.crt").write_text(own + root)
    Identity(paths).create(config.Settings("server", {}, ()))
    signing = paths.tls / "client-ca.nochain.crt"
    assert signing.read_text() == own
    signing.chmod(0o600)
    Identity(paths).create(config.Settings("server", {}, ()))
    assert signing.stat().st_mode & 0o777 == 0o600
    assert (paths.tls / "client-ca.crt").read_text() == own + root
