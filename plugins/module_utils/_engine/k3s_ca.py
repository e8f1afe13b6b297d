# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""CAs of the user's own for k3s, in a folder on the controller: read, and everything wrong with them is told.

https://docs.k3s.io/cli/certificate#using-custom-ca-certificates
"""

from __future__ import annotations

import datetime
import typing as t
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._engine import k3s_tokens
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, Problem

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec
except ImportError:
    HAS_CRYPTOGRAPHY = False
else:
    HAS_CRYPTOGRAPHY = True

VARIABLE = "klubster_ca_dir"
#: each has a certificate and a key; k3s wants those of etcd without etcd too
AUTHORITIES = ("server-ca", "client-ca", "request-header-ca", "etcd/server-ca", "etcd/peer-ca")
_SERVER_CA = "server-ca.crt"
_SERVICE_KEY = "service.key"
NAMES = (*(f"{stem}.{end}" for stem in AUTHORITIES for end in ("crt", "key")), _SERVICE_KEY)
_PEM = "Give it in PEM form."
_UNREADABLE = "-----BEGIN PRIVATE KEY-----"


def load(folder: str) -> dict[str, str]:
    """The files by name; keys are secrets.

    :raises InvalidInput: with everything that is wrong with them.
    """
    texts: dict[str, str] = {}
    problems = []
    for name in NAMES:
        try:
            texts[name] = (Path(folder) / name).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as exc:
            why = exc.strerror if isinstance(exc, OSError) else "it is no text"
            problems.append(
                _problem(
                    folder,
                    name,
                    f"The file cannot be read ({why}).",
                    "Give it, or leave the variable empty: a cluster that lives keeps its CA without the folder.",
                )
            )
    problems = problems or _wrong(folder, texts)
    if problems:
        raise InvalidInput(problems)
    return texts


def hash_of(texts: t.Mapping[str, str]) -> str:
    """By which k3s's tokens know the CA of its servers."""
    return k3s_tokens.ca_hash(texts[_SERVER_CA])


def _wrong(folder: str, texts: t.Mapping[str, str]) -> list[Problem]:
    if not HAS_CRYPTOGRAPHY:
        return [
            _problem(
                folder,
                "",
                "Python's cryptography is missing on the controller.",
                "Install it: pip install cryptography.",
            )
        ]
    found = [problem for stem in AUTHORITIES for problem in _wrong_authority(folder, stem, texts)]
    if _key(texts[_SERVICE_KEY]) is None:
        found.append(_problem(folder, _SERVICE_KEY, "It holds no private key without a password.", _PEM))
    elif _UNREADABLE in texts[_SERVICE_KEY] and isinstance(_key(texts[_SERVICE_KEY]), ec.EllipticCurvePrivateKey):
        rule = "The API server does not read elliptic keys in the form PKCS #8 ('BEGIN PRIVATE KEY')."
        remedy = "Write it as 'BEGIN EC PRIVATE KEY': openssl ec -in service.key -out service.key"
        found.append(_problem(folder, _SERVICE_KEY, rule, remedy))
    return found


def _wrong_authority(folder: str, stem: str, texts: t.Mapping[str, str]) -> list[Problem]:
    """The chain from the signing CA, which stands first, up to a root."""
    try:
        chain = x509.load_pem_x509_certificates(texts[f"{stem}.crt"].encode())
    except ValueError:
        return [_problem(folder, f"{stem}.crt", "It holds no certificate that can be read.", _PEM)]
    name = f"{stem}.crt"
    found = []
    for position, certificate in enumerate(chain):
        which = f"certificate {position + 1} ({certificate.subject.rfc4514_string()})"
        found += [_problem(folder, name, f"Its {which} {rule}", remedy) for rule, remedy in _wrong_alone(certificate)]
        above = chain[position + 1] if position + 1 < len(chain) else certificate
        if not _signed(certificate, above):
            rule = f"Its {which} is not signed by the one after it, or is the last one and no root."
            found.append(_problem(folder, name, rule, "Order them: the CA that signs, those above it, the root."))
    key = _key(texts[f"{stem}.key"])
    if key is None:
        found.append(_problem(folder, f"{stem}.key", "It holds no private key without a password.", _PEM))
    elif _public(key) != _public(chain[0]):
        found.append(
            _problem(folder, f"{stem}.key", f"It is not the key of the first certificate in {name}.", "Give that one.")
        )
    return found


def _wrong_alone(certificate: x509.Certificate) -> t.Iterator[tuple[str, str]]:
    now = datetime.datetime.now(datetime.timezone.utc)
    if certificate.not_valid_before_utc > now:
        yield (
            f"is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M}.",
            "Look at the controller's clock.",
        )
    if certificate.not_valid_after_utc < now:
        yield f"has expired on {certificate.not_valid_after_utc:%Y-%m-%d}.", "Make a new one."
    try:
        is_authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        is_authority = False
    if not is_authority:
        yield "is no CA (CA:TRUE is missing).", "Make it with the basic constraint CA:TRUE."


def _signed(certificate: x509.Certificate, above: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(above)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _key(text: str) -> t.Any:
    try:
        return serialization.load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError):
        return None


def _public(holder: t.Any) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    found: bytes = holder.public_key().public_bytes(serialization.Encoding.DER, form)
    return found


def _problem(folder: str, name: str, rule: str, remedy: str) -> Problem:
    return Problem(VARIABLE, f"{folder}/{name}".rstrip("/"), rule, remedy)


__all__ = ("AUTHORITIES", "NAMES", "VARIABLE", "hash_of", "load")
