# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.certificates import CertificateError
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_tokens import (
    Token,
    TokenError,
    ca_hash,
    masked,
    parse,
)
from hypothesis import given, settings
from hypothesis import strategies as st

HASH = "ab" * 32


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("hunter22", Token("hunter22")),
        ("a:b", Token("a:b")),
        (" hunter22\n", Token("hunter22")),
        ("abcdef.0123456789abcdef", Token("0123456789abcdef", identity="abcdef")),
        (f"K10{HASH}::server:hunter22", Token("hunter22", "server", HASH)),
        (f"K10{HASH}::node:a:b::c", Token("a:b::c", "node", HASH)),
        (f"K10{HASH}::abcdef.0123456789abcdef", Token("0123456789abcdef", "", HASH, "abcdef")),
    ],
)
def test_every_form_is_read_and_written(text: str, token: Token) -> None:
    assert parse(text) == token
    assert token.text == text.strip()
    for shown in (str(token), repr(token), f"{token}"):
        assert token.secret not in shown


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("hunter 22", "white space"),
        ("K10hunter22", "'::' is missing"),
        ("K10abcd::server:hunter22", "64 hexadecimal digits"),
        (f"K10{HASH.upper()}::server:hunter22", "64 hexadecimal digits"),
        (f"K10{HASH}::hunter22", "'user:password' or 'id.secret'"),
        (f"K10{HASH}::server:", "'user:password'"),
        (f"K10{HASH}:::hunter22", "'user:password'"),
    ],
)
def test_a_malformed_token_is_refused_without_showing_it(text: str, message: str) -> None:
    with pytest.raises(TokenError, match=re.escape(message)) as caught:
        parse(text)
    assert "hunter" not in str(caught.value)


WORD = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)


@settings(deadline=None)
@given(WORD, st.sampled_from(["server", "node"]), st.binary(min_size=32, max_size=32))
def test_whatever_the_password_the_token_comes_back(secret: str, user: str, digest: bytes) -> None:
    token = Token(secret, user, digest.hex())
    back = parse(token.text)
    assert back == token
    # k3s itself takes what begins with K10 for a long token; a password cannot begin so.
    if not secret.startswith("K10"):
        assert parse(back.short).text == secret


def openssl(folder: Path, *argv: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *argv], check=True, capture_output=True, cwd=folder, input=stdin).stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root, an intermediate that it signed, and the CA of a server that the intermediate signed."""
    folder = tmp_path_factory.mktemp("ca")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    extensions = ("-addext", "basicConstraints=critical,CA:TRUE", "-days", "30")
    openssl(folder, "req", "-x509", *key, *extensions, "-subj", "/CN=root", "-keyout", "root.key", "-out", "root.pem")
    above = "root"
    for name in ("middle", "server"):
        signed = ("-CA", f"{above}.pem", "-CAkey", f"{above}.key")
        openssl(
            folder,
            *("req", "-x509", *key, *extensions, *signed, "-subj", f"/CN={name}"),
            *("-keyout", f"{name}.key", "-out", f"{name}.pem"),
        )
        above = name
    return folder


def test_one_certificate_is_hashed_as_the_file_stands(folder: Path) -> None:
    pem = (folder / "root.pem").read_text()
    expected = openssl(folder, "dgst", "-sha256", "-r", "root.pem").split()[0].decode()
    assert ca_hash(pem) == expected
    assert ca_hash(pem + "\n") != expected


@pytest.mark.parametrize("order", [("server", "middle", "root"), ("server", "root", "middle")])
def test_a_bundle_is_hashed_by_its_root(folder: Path, order: tuple[str, ...]) -> None:
    bundle = "".join((folder / f"{name}.pem").read_text() for name in order)
    der = openssl(folder, "x509", "-in", "root.pem", "-outform", "der")
    assert ca_hash(bundle) == hashlib.sha256(der).hexdigest()


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----", "hunter22"])
def test_no_certificate(text: str) -> None:
    with pytest.raises(CertificateError, match="holds no certificate"):
        ca_hash(text)


def test_a_bundle_that_cannot_be_read() -> None:
    with pytest.raises(CertificateError, match="cannot be read"):
        ca_hash("-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n" * 2)


def test_tokens_are_taken_out_of_a_text() -> None:
    text = f"join with K10{HASH}::server:hunter22, or abcdef.0123456789abcdef at v1.34.2; pass sesame"
    assert masked(text, ["sesame", "v"]) == "join with (masked), or (masked) at v1.34.2; pass (masked)"
    assert masked("api.home.internal has 192.0.2.11") == "api.home.internal has 192.0.2.11"
