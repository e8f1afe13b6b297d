# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""``registries.yaml``: mirrors, credentials and certificates of registries, checked and written.

k3s makes containerd's configuration of it and does not tell what it could not use. The file holds passwords: 0600.
https://docs.k3s.io/installation/private-registry
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._engine import block_yaml
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_tokens import HIDDEN
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._model.rules import Refused, absolute_path, one_of, url

VARIABLE = "klubster_k3s_registries"
_HEAD = "# Written by kateskit.klubster; changes are overwritten.\n"
_REGISTRY = re.compile(r"\*|([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?")
_AUTH = ("username", "password", "auth", "token")
_TLS = ("ca_file", "cert_file", "key_file", "insecure_skip_verify")
_TOP = ("mirrors", "configs")
_LOOK_AROUND = re.compile(r"\(\?(=|!|<=|<!)")


def validate(data: t.Any, *, embedded: bool = False, variable: str = VARIABLE) -> list[Problem]:
    """Everything that is wrong with the user's registries; no password is in what it says.

    :param embedded: whether ``embedded-registry`` is on; it serves the registries under ``mirrors`` only.
    """
    problems: list[Problem] = []
    for name, value in _mapping(data, variable, _TOP, problems):
        for registry, entry in _mapping(value, f"{variable}.{name}", None, problems):
            where = f"{variable}.{name}['{registry}']"
            if not _REGISTRY.fullmatch(str(registry)):
                _add(
                    problems,
                    where,
                    registry,
                    "A registry is a host, with its port, without scheme and path, or '*'.",
                    "Write 'registry.example.org:5000'.",
                )
            elif name == "mirrors":
                _mirror(str(registry), entry, where, problems)
            else:
                _config(entry, where, problems)
    if embedded and not problems and not (data or {}).get("mirrors"):
        _add(
            problems,
            f"{variable}.mirrors",
            None,
            "The embedded registry serves only what stands under 'mirrors'.",
            "Add '\"*\": {}', or the registries that it shall serve.",
        )
    return problems


def render(data: t.Mapping[str, t.Any]) -> str:
    """The text of the file, in the order of names; what has passed ``validate``."""
    return _HEAD + block_yaml.dumps(_ordered(data))


def _ordered(value: t.Any) -> t.Any:
    if isinstance(value, t.Mapping):
        return {str(key): _ordered({} if entry is None else entry) for key, entry in sorted(value.items())}
    return value


def _mapping(
    value: t.Any, variable: str, known: t.Optional[t.Sequence[str]], problems: list[Problem]
) -> list[tuple[t.Any, t.Any]]:
    """The entries that may be looked at; anything else becomes a problem."""
    if value is None:
        return []
    if not isinstance(value, t.Mapping):
        _add(problems, variable, HIDDEN, "Here stand names with values.", "Write 'name: value', one in each line.")
        return []
    result = []
    for key, entry in value.items():
        if known is not None and key not in known:
            _add(
                problems,
                f"{variable}.{key}",
                HIDDEN,
                "k3s has no such entry and takes no notice of it.",
                one_of(str(key), known),
            )
        else:
            result.append((key, entry))
    return result


def _mirror(registry: str, value: t.Any, where: str, problems: list[Problem]) -> None:
    for name, entry in _mapping(value, where, ("endpoint", "rewrite"), problems):
        if name == "rewrite":
            _rewrites(entry, f"{where}.rewrite", problems)
        elif not isinstance(entry, (list, tuple)):
            _add(
                problems,
                f"{where}.endpoint",
                entry,
                "Endpoints are a list.",
                "Write '- https://…' in a line of its own.",
            )
        else:
            for number, endpoint in enumerate(entry):
                _endpoint(registry, endpoint, f"{where}.endpoint[{number}]", problems)


def _endpoint(registry: str, endpoint: t.Any, where: str, problems: list[Problem]) -> None:
    try:
        if not isinstance(endpoint, str):
            raise Refused("An endpoint is a text.", "Write 'https://registry.example.org'.")
        url(endpoint)
    except Refused as exc:
        _add(problems, where, endpoint, exc.rule, exc.remedy)
        return
    if "@" in endpoint:
        _add(problems, where, HIDDEN, "Credentials do not stand in an endpoint.", "Put them under configs, auth.")
    default = "index.docker.io" if registry == "docker.io" else registry
    if re.fullmatch(rf"https://{re.escape(default)}(/v2)?/?", endpoint):
        remedy = (
            "Leave it out." if ":" in registry else f"Leave it out, or write 'https://{registry}:443' for its rewrites."
        )
        _add(problems, where, endpoint, "k3s takes no notice of a mirror that is the registry itself.", remedy)


def _rewrites(value: t.Any, where: str, problems: list[Problem]) -> None:
    for pattern, replacement in _mapping(value, where, None, problems):
        name = f"{where}['{pattern}']"
        try:
            re.compile(str(pattern))
        except re.error as exc:
            _add(problems, name, pattern, f"This is no regular expression: {exc}.", "Correct it.")
            continue
        if _LOOK_AROUND.search(str(pattern)):
            _add(
                problems, name, pattern, "Go's regular expressions do not look around.", "Do without (?=, (?! and (?<."
            )
        if not isinstance(replacement, str) or re.search(r"\\[0-9]", replacement):
            _add(
                problems,
                name,
                replacement,
                "The replacement is a text, with groups as $1.",
                "Write for example 'x/$1'.",
            )


def _config(value: t.Any, where: str, problems: list[Problem]) -> None:
    for name, entry in _mapping(value, where, ("auth", "tls"), problems):
        check = _auth if name == "auth" else _tls
        check(dict(_mapping(entry, f"{where}.{name}", _AUTH if name == "auth" else _TLS, problems)), where, problems)


def _auth(auth: t.Mapping[str, t.Any], where: str, problems: list[Problem]) -> None:
    for name, value in auth.items():
        if not isinstance(value, str) or not value:
            _add(problems, f"{where}.auth.{name}", HIDDEN, "Here stands a text.", "Put it in quotes.")
    if ("username" in auth) != ("password" in auth):
        _add(problems, f"{where}.auth", HIDDEN, "A user has a password, and a password a user.", "Give both.")
    ways = [name for name in ("username", "auth", "token") if name in auth]
    if len(ways) > 1:
        _add(problems, f"{where}.auth", HIDDEN, f"{' and '.join(ways)} are two ways to sign in.", "Keep one of them.")


def _tls(tls: t.Mapping[str, t.Any], where: str, problems: list[Problem]) -> None:
    for name, value in tls.items():
        try:
            if name == "insecure_skip_verify":
                if not isinstance(value, bool):
                    raise Refused("This is true or false.", "Write true or false, without quotes.")
            elif not isinstance(value, str):
                raise Refused("This is the path of a file.", "Write '/etc/ssl/registry.pem'.")
            else:
                absolute_path(value)
        except Refused as exc:
            _add(problems, f"{where}.tls.{name}", value, exc.rule, exc.remedy)
    if ("cert_file" in tls) != ("key_file" in tls):
        _add(problems, f"{where}.tls", dict(tls), "A certificate has a key, and a key a certificate.", "Give both.")


def _add(problems: list[Problem], variable: str, value: t.Any, rule: str, remedy: str) -> None:
    problems.append(Problem(variable, without_password(value), rule, remedy))


def without_password(value: t.Any) -> t.Any:
    return re.sub(r"//[^/@\s]*@", f"//{HIDDEN}@", value) if isinstance(value, str) else value


__all__ = ("VARIABLE", "render", "validate", "without_password")
