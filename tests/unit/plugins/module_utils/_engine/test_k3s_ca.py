# SPDX-License-Identifier: Apache-2.0
"""CAs of a user's own: real certificates, made here, and what can be wrong with them."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import k3s_ca, k3s_tokens
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Signer:
    name: x509.Name
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        return key_pem(self.key)


def key_pem(key: ec.EllipticCurvePrivateKey, password: bytes = b"", *, new: bool = True) -> str:
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8 if new else serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, hidden).decode()


def signer(name: str, by: Signer | None = None, *, authority: bool = True, start: int = -1, end: int = 365) -> Signer:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.name if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + start * DAY)
        .not_valid_after(NOW + end * DAY)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    return Signer(subject, key, builder.sign(by.key if by else key, hashes.SHA256()))


def write(folder: Path, **changes: str) -> Path:
    """A folder as it should be; ``changes`` by name with ``__`` for a slash and ``_`` for a dot."""
    root = signer("root")
    between = signer("between", root)
    texts = {"service.key": key_pem(ec.generate_private_key(ec.SECP256R1()), new=False)}
    for stem in k3s_ca.AUTHORITIES:
        own = signer(stem, between)
        texts |= {f"{stem}.crt": own.pem + between.pem + root.pem, f"{stem}.key": own.key_pem}
    for name, text in {**texts, **changes}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(InvalidInput) as caught:
        k3s_ca.load(str(folder))
    assert "-----" not in str(caught.value)
    return str(caught.value)


def test_a_whole_folder_is_read(tmp_path: Path) -> None:
    texts = k3s_ca.load(str(write(tmp_path)))
    assert sorted(texts) == sorted(k3s_ca.NAMES)
    assert len(k3s_ca.NAMES) == 11
    assert k3s_ca.hash_of(texts) == k3s_tokens.ca_hash((tmp_path / "server-ca.crt").read_text())


def test_a_root_that_signs_itself_is_enough(tmp_path: Path) -> None:
    alone = signer("alone")
    k3s_ca.load(str(write(tmp_path, **{"client-ca.crt": alone.pem, "client-ca.key": alone.key_pem})))


ROOT, OTHER = signer("root"), signer("other")
LEAF = signer("leaf", ROOT, authority=False)
OLD = signer("old", ROOT, start=-20, end=-10)
FUTURE = signer("future", ROOT, start=10, end=20)
GOOD = signer("good", ROOT)

#: what is written instead, and what is said
BAD: dict[str, tuple[dict[str, str], str]] = {
    "another key": ({"server-ca.key": OTHER.key_pem}, "server-ca.key': It is not the key of the first certificate"),
    "no certificate": ({"etcd/peer-ca.crt": "hello"}, "etcd/peer-ca.crt': It holds no certificate"),
    "no key": ({"etcd/server-ca.key": "hello"}, "etcd/server-ca.key': It holds no private key"),
    "a locked key": ({"service.key": key_pem(ROOT.key, b"locked")}, "service.key': It holds no private key"),
    "a form that the API server does not read": ({"service.key": ROOT.key_pem}, "openssl ec -in service.key"),
    "no CA": ({"client-ca.crt": LEAF.pem + ROOT.pem, "client-ca.key": LEAF.key_pem}, "is no CA"),
    "expired": ({"client-ca.crt": OLD.pem + ROOT.pem, "client-ca.key": OLD.key_pem}, "has expired on"),
    "not yet": ({"client-ca.crt": FUTURE.pem + ROOT.pem, "client-ca.key": FUTURE.key_pem}, "is not valid before"),
    "no root": ({"client-ca.crt": GOOD.pem, "client-ca.key": GOOD.key_pem}, "or is the last one and no root"),
    "a root of others": (
        {"client-ca.crt": GOOD.pem + OTHER.pem, "client-ca.key": GOOD.key_pem},
        r"certificate 1 \(CN=good\) is not signed by the one after it",
    ),
    "order": ({"client-ca.crt": ROOT.pem + GOOD.pem, "client-ca.key": GOOD.key_pem}, "Order them"),
}


@pytest.mark.parametrize(("changes", "said"), BAD.values(), ids=BAD)
def test_what_k3s_could_not_use_is_named(tmp_path: Path, changes: dict[str, str], said: str) -> None:
    assert re.search(said, refusal(write(tmp_path, **changes)))


@pytest.mark.parametrize("name", k3s_ca.NAMES)
def test_every_file_is_needed(tmp_path: Path, name: str) -> None:
    (write(tmp_path) / name).unlink()
    said = refusal(tmp_path)
    assert f"klubster_ca_dir = '{tmp_path}/{name}'" in said
    assert "a cluster that lives keeps its CA" in said


def test_nothing_is_there(tmp_path: Path) -> None:
    assert "11 problems" in refusal(tmp_path / "nowhere")
