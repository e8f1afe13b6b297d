# SPDX-License-Identifier: Apache-2.0
"""Certificate authorities and the certificates they issue."""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

from k3s_standin import der, keys
from k3s_standin.paths import write

_DAY = 86400
_NAMES = {"CN": "2.5.4.3", "O": "2.5.4.10"}
_USES = {"server": "1.3.6.1.5.5.7.3.1", "client": "1.3.6.1.5.5.7.3.2"}


@dataclass(frozen=True)
class Authority:
    """Who signs. ``pem`` is the whole file: the certificate and, if a user gave them, those above it."""

    pem: str
    key: keys.Key
    subject: bytes
    identifier: bytes

    def issue(
        self,
        name: str,
        *,
        groups: t.Sequence[str] = (),
        uses: t.Sequence[str] = ("client",),
        names: t.Sequence[str] = (),
        days: int = 365,
    ) -> tuple[str, str]:
        """Certificate, with those above it, and key, both as PEM."""
        key = keys.new()
        extensions = [
            _extension("2.5.29.15", der.tlv(der.BITS, b"\x05\xa0"), critical=True),
            _extension("2.5.29.37", der.sequence(*(der.oid(_USES[use]) for use in uses))),
            _extension("2.5.29.35", der.sequence(der.tlv(0x80, self.identifier))),
        ]
        if names:
            unique = dict.fromkeys(names)
            extensions.append(_extension("2.5.29.17", der.sequence(*(_general_name(entry) for entry in unique))))
        subject = _subject([*(("O", group) for group in groups), ("CN", name)])
        data = _certificate(subject, key, (self.subject, self.key), extensions, days)
        return der.to_pem("CERTIFICATE", data) + self.pem, key.pem()


def create(name: str) -> tuple[str, str]:
    """A CA of our own, good for ten years: certificate and key."""
    key = keys.new()
    identifier = _identifier(key)
    extensions = [
        _extension("2.5.29.15", der.tlv(der.BITS, b"\x02\xa4"), critical=True),
        _extension("2.5.29.19", der.sequence(der.tlv(der.BOOLEAN, b"\xff")), critical=True),
        _extension("2.5.29.14", der.tlv(der.OCTETS, identifier)),
    ]
    subject = _subject([("CN", f"{name}@{int(time.time())}")])
    return der.to_pem("CERTIFICATE", _certificate(subject, key, (subject, key), extensions, 3650)), key.pem()


def load(certificate: Path, key: Path) -> Authority:
    """A CA from its two files.

    :raises ValueError: they hold none.
    """
    pem = certificate.read_text(encoding="ascii")
    found = next((data for kind, data in der.from_pem(pem) if kind == "CERTIFICATE"), None)
    if found is None:
        raise ValueError(f"{certificate} holds no certificate")
    parts = [part for part in der.parse(found)[0].parts()[0].parts() if part.tag != 0xA0]
    subject, information, rest = parts[4].whole, parts[5].whole, parts[6:]
    identifier = hashlib.sha1(der.parse(information)[0].parts()[1].content[1:]).digest()  # noqa: S324 - a name
    for extension in (part for group in rest for part in group.parts()[0].parts()):
        if extension.parts()[0].whole == der.oid("2.5.29.14"):
            identifier = der.parse(extension.parts()[-1].content)[0].content
    return Authority(pem if pem.endswith("\n") else f"{pem}\n", keys.load(key.read_text("ascii")), subject, identifier)


def ensure_authority(folder: Path, stem: str, name: str) -> Authority:
    """The CA in ``<stem>.crt`` and ``<stem>.key``; made when neither is there."""
    certificate, key = folder / f"{stem}.crt", folder / f"{stem}.key"
    if not certificate.exists():
        text, private = create(name)
        write(key, private)
        write(certificate, text, 0o644)
    return load(certificate, key)


def expires(pem: str) -> float:
    """When the first certificate of a file ends, in seconds since 1970."""
    data = next(data for kind, data in der.from_pem(pem) if kind == "CERTIFICATE")
    parts = [part for part in der.parse(data)[0].parts()[0].parts() if part.tag != 0xA0]
    end = parts[3].parts()[1]
    text = end.content.decode()
    form = "%y%m%d%H%M%SZ" if end.tag == 0x17 else "%Y%m%d%H%M%SZ"
    return time.mktime(time.strptime(text, form)) - time.timezone


def _certificate(
    subject: bytes, key: keys.EcKey, issuer: tuple[bytes, keys.Key], extensions: t.Sequence[bytes], days: int
) -> bytes:
    above, signer = issuer
    now = time.time()
    # As with k3s, nothing is valid before the moment at which its CA was made.
    begin = now if subject == above else now - 3600
    validity = der.sequence(der.moment(begin), der.moment(now + days * _DAY))
    body = der.sequence(
        der.tlv(0xA0, der.integer(2)),
        der.integer(secrets.randbits(120) | 1 << 119),
        signer.algorithm,
        above,
        validity,
        subject,
        key.public(),
        der.tlv(0xA3, der.sequence(*extensions)),
    )
    return der.sequence(body, signer.algorithm, der.bits(signer.sign(body)))


def _identifier(key: keys.Key) -> bytes:
    point = der.parse(key.public())[0].parts()[1].content[1:]
    return hashlib.sha1(point).digest()  # noqa: S324 - a name, as RFC 5280 wants it


def _subject(entries: t.Sequence[tuple[str, str]]) -> bytes:
    return der.sequence(
        *(
            der.tlv(der.SET, der.sequence(der.oid(_NAMES[kind]), der.tlv(der.UTF8, value.encode())))
            for kind, value in entries
        )
    )


def _extension(number: str, content: bytes, *, critical: bool = False) -> bytes:
    mark = der.tlv(der.BOOLEAN, b"\xff") if critical else b""
    return der.sequence(der.oid(number), mark, der.tlv(der.OCTETS, content))


def _general_name(text: str) -> bytes:
    try:
        return der.tlv(0x87, ipaddress.ip_address(text).packed)
    except ValueError:
        return der.tlv(0x82, text.encode())


__all__ = ("Authority", "create", "ensure_authority", "expires", "load")
