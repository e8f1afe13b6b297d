# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""The hash by which a joining machine knows the cluster's CA."""

from __future__ import annotations

import hashlib
import ssl

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError


class CertificateError(KlubsterError):
    """A certificate cannot be read."""


def public_key_hash(pem: str) -> str:
    """``sha256:`` and the digest of the certificate's SubjectPublicKeyInfo, as kubeadm's discovery wants it.

    :raises CertificateError: the text is no PEM certificate.
    """
    begin = pem.find("-----BEGIN CERTIFICATE-----")
    end = pem.find("-----END CERTIFICATE-----")
    try:
        der = ssl.PEM_cert_to_DER_cert(pem[begin : end + len("-----END CERTIFICATE-----")].strip())
        return "sha256:" + hashlib.sha256(_public_key_info(der)).hexdigest()
    except (ValueError, IndexError) as exc:
        raise CertificateError("The CA certificate is no X.509 certificate in PEM form.") from exc


def _public_key_info(der: bytes) -> bytes:
    """Certificate → TBSCertificate → the seventh field (the eighth when a version stands first)."""
    start, dummy = element(der, 0)
    start, dummy = element(der, start)
    position = start
    # version [0], serial, signature, issuer, validity, subject, subjectPublicKeyInfo
    skip = 6 if der[position] == 0xA0 else 5
    for dummy in range(skip):
        begin, length = element(der, position)
        position = begin + length
    begin, length = element(der, position)
    return der[position : begin + length]


def element(der: bytes, position: int) -> tuple[int, int]:
    """Where the content of the element at ``position`` begins, and how long it is."""
    length = der[position + 1]
    if length < 0x80:
        return position + 2, length
    count = length & 0x7F
    begin = position + 2 + count
    return begin, int.from_bytes(der[position + 2 : begin], "big")


__all__ = ("CertificateError", "element", "public_key_hash")
