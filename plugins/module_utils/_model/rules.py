# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Rules for single values: names, labels, taints, versions, paths, URLs.

Each function returns the value in its canonical form or raises ``Refused``, which knows the rule and the remedy but
not the variable: that is added by whoever reads variables.
"""

from __future__ import annotations

import difflib
import re
import typing as t
import urllib.parse

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
_QUALIFIED = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_VERSION = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)")

_ENGINE_VERSIONS = {
    "kubeadm": (_VERSION, "A version has three numbers and no leading 'v'."),
    "k3s": (
        re.compile(_VERSION.pattern + r"(-(alpha|beta|rc)[1-9][0-9]*)?\+k3s[1-9][0-9]*"),
        "A version of k3s has three numbers, no leading 'v', and ends in '+k3s' and a number.",
    ),
}

# https://github.com/distribution/reference/blob/main/reference.go
_IMAGE = re.compile(
    r"(?:(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*)(?::[0-9]{1,5})?/)?"
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
    r"(?P<tag>:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?P<digest>@sha256:[0-9a-f]{64})?"
)

TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")

# Minor versions each engine is built and tested with.
SUPPORTED_MINORS: dict[str, tuple[str, ...]] = {
    "kubeadm": ("1.33", "1.34"),
    "k3s": ("1.31", "1.32", "1.33", "1.34", "1.35"),
}
DEFAULT_VERSIONS: dict[str, str] = {"kubeadm": "1.34.2", "k3s": "1.34.2+k3s1"}

# The kubelet of a node refuses to start with other labels of these domains.
# https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction
_RESERVED_DOMAINS = ("kubernetes.io", "k8s.io")
_OPEN_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")
_OPEN_KEYS = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone")
_KUBELET_KEYS = (
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "node.kubernetes.io/instance-type",
)


class Refused(ValueError):
    """A value that breaks a rule."""

    def __init__(self, rule: str, remedy: str) -> None:
        self.rule, self.remedy = rule, remedy
        super().__init__(f"{rule} {remedy}")


def nearest(name: str, known: t.Iterable[str]) -> str | None:
    """The known name that looks most like ``name``, if any looks alike."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def one_of(name: str, known: t.Sequence[str]) -> str:
    """``Use one of a, b.``, or the nearest name when there is one: the remedy for an unknown word."""
    near = nearest(name, known)
    if near is not None:
        return f"Did you mean {near!r}?"
    return f"Use {known[0]!r}." if len(known) == 1 else f"Use one of {', '.join(known)}."


def dns_label(text: str) -> str:
    """A name of one part, as RFC 1123 has it."""
    if len(text) > 63 or not _LABEL.fullmatch(text):
        raise Refused(
            "A name here has 1 to 63 of a-z, 0-9 and '-', and begins and ends with a letter or digit (an RFC 1123"
            " label).",
            _rename(text, 63),
        )
    return text


def dns_name(text: str, *, longest: int = 253) -> str:
    """A name of parts with dots between, as RFC 1123 has it."""
    parts = text.split(".")
    if len(text) > longest or not all(len(part) <= 63 and _LABEL.fullmatch(part) for part in parts):
        raise Refused(
            f"A name here has up to {longest} of a-z, 0-9, '-' and '.', and each part begins and ends with a letter or"
            " digit (an RFC 1123 subdomain).",
            _rename(text, longest),
        )
    return text


def _rename(text: str, longest: int) -> str:
    """A name near to the one given that the rule allows."""
    candidate = re.sub(r"[^a-z0-9.-]+", "-", text.lower())
    candidate = ".".join(filter(None, (part.strip("-")[:63].strip("-") for part in candidate.split("."))))
    candidate = candidate[:longest].strip("-.")
    if longest <= 63:
        candidate = candidate.replace(".", "-")
    return f"Write for example {candidate!r}." if candidate else "Give it a name such as 'home'."


def _qualified(text: str, what: str) -> tuple[str, str]:
    """Prefix (may be empty) and name of a label's or taint's key."""
    prefix, slash, name = text.rpartition("/")
    if slash:
        try:
            dns_name(prefix)
        except Refused as exc:
            raise Refused(
                f"The part of a {what}'s key before the '/' is a DNS name.",
                "Write for example 'example.org/name'.",
            ) from exc
    if len(name) > 63 or not _QUALIFIED.fullmatch(name):
        raise Refused(
            f"A {what}'s key has 1 to 63 of letters, digits, '-', '_' and '.', and begins and ends with a letter or"
            " digit.",
            "Write it as 'name' or 'example.org/name'.",
        )
    return prefix, name


def _value(text: str, what: str) -> str:
    if len(text) > 63 or (text and not _QUALIFIED.fullmatch(text)):
        raise Refused(
            f"A {what}'s value has up to 63 of letters, digits, '-', '_' and '.', and begins and ends with a letter or"
            " digit.",
            "Shorten it, or keep such text in an annotation.",
        )
    return text


def label_key(text: str) -> str:
    """The key of a node label that a user may set."""
    prefix, _name = _qualified(text, "label")
    if text in _KUBELET_KEYS:
        raise Refused("The kubelet sets this label itself.", "Leave it out.")
    if text in _OPEN_KEYS or _within(prefix, _OPEN_DOMAINS):
        return text
    if _within(prefix, _RESERVED_DOMAINS):
        raise Refused(
            "Labels of kubernetes.io and k8s.io belong to Kubernetes, and a node may not set this one on itself.",
            "Use a prefix of your own, such as 'example.org/', or 'node.kubernetes.io/'.",
        )
    return text


def _within(prefix: str, domains: t.Iterable[str]) -> bool:
    return any(prefix == domain or prefix.endswith(f".{domain}") for domain in domains)


def selector_key(text: str) -> str:
    """The key of a label that is looked for; whose it is does not matter."""
    _qualified(text, "label")
    return text


def label_value(text: str) -> str:
    return _value(text, "label")


def taint(text: str) -> str:
    """``key=value:Effect`` or ``key:Effect``."""
    pair, colon, effect = text.rpartition(":")
    if not colon:
        raise Refused("A taint is written 'key=value:Effect'.", f"Add one of {', '.join(TAINT_EFFECTS)} after a ':'.")
    if effect not in TAINT_EFFECTS:
        raise Refused(f"{effect!r} is no effect of a taint.", one_of(effect, TAINT_EFFECTS))
    key, _equals, value = pair.partition("=")
    _qualified(key, "taint")
    _value(value, "taint")
    return text


def taint_identity(text: str) -> tuple[str, str]:
    """What may stand on a node once: key and effect."""
    pair, _colon, effect = text.rpartition(":")
    return pair.partition("=")[0], effect


def engine_version(text: str, engine: str) -> str:
    """A complete version without a leading v, of a minor version that the engine is tested with.

    One of k3s ends in its build, ``+k3s1``; release candidates are taken as well.
    """
    pattern, what = _ENGINE_VERSIONS[engine]
    if not pattern.fullmatch(text):
        bare = text.lstrip("v")
        guesses = (bare, f"{bare}+k3s1", bare.replace("-k3s", "+k3s"), bare.partition("+")[0], DEFAULT_VERSIONS[engine])
        example = next(guess for guess in guesses if pattern.fullmatch(guess))
        raise Refused(what, f"Write '{example}'.")
    minors = SUPPORTED_MINORS[engine]
    minor = ".".join(text.split(".")[:2])
    if minor not in minors:
        listed = ", ".join(f"{entry}.x" for entry in minors)
        raise Refused(f"{engine} is supported in these versions: {listed}.", "Choose one of them.")
    return text


def absolute_path(text: str) -> str:
    """A path that begins at the root and has no ``..`` and no double or trailing slash."""
    if not text.startswith("/"):
        raise Refused("The path is absolute.", f"Write for example '/srv/{text.strip('./') or 'data'}'.")
    parts = text.split("/")[1:]
    if text == "/" or any(part in ("", ".", "..") for part in parts):
        raise Refused("The path has no empty part, no '.' and no '..', and is not the root.", "Write it out in full.")
    return text


def image(text: str) -> str:
    """An image of a container with its tag or digest, so that every machine takes the same one."""
    found = _IMAGE.fullmatch(text)
    example = "Write it like 'registry.example.org/group/name:v1.2.3'."
    if found is None:
        raise Refused("This is no name of an image.", example)
    if not found["tag"] and not found["digest"]:
        raise Refused("The name of an image ends in its tag or its digest (sha256) here.", example)
    return text


def url(text: str, schemes: t.Sequence[str] = ("http", "https")) -> str:
    """A URL with a host and one of these schemes, without blanks."""
    try:
        parts = urllib.parse.urlsplit(text)
        good = bool(parts.hostname) and parts.scheme in schemes and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or re.search(r"\s", text):
        raise Refused("Here stands a URL.", f"Write it like '{schemes[-1]}://host.example.org:8443'.")
    return text


def interface(text: str) -> str:
    """The name of a network interface, as Linux takes it."""
    if not 1 <= len(text) <= 15 or text in (".", "..") or re.search(r"[\s/:]", text):
        raise Refused(
            "An interface's name has 1 to 15 characters, without spaces, '/' and ':'.",
            "Take it from 'ip link'.",
        )
    return text


__all__ = (
    "DEFAULT_VERSIONS",
    "SUPPORTED_MINORS",
    "TAINT_EFFECTS",
    "Refused",
    "absolute_path",
    "dns_label",
    "dns_name",
    "engine_version",
    "image",
    "interface",
    "label_key",
    "label_value",
    "nearest",
    "one_of",
    "selector_key",
    "taint",
    "taint_identity",
    "url",
)
