# SPDX-License-Identifier: Apache-2.0
"""``k3s token`` (k3s.md C.2)."""

from __future__ import annotations

import argparse
import base64
import datetime
import json
import re
import ssl
import typing as t
from pathlib import Path

import yaml
from k3s_standin import flags, tools
from k3s_standin import token as tokens
from k3s_standin.client import Api, HttpError, trusting
from k3s_standin.identity import Identity
from k3s_standin.log import Fatal
from k3s_standin.paths import Paths

_SECRETS = "/api/v1/namespaces/kube-system/secrets"
_GROUPS = "system:bootstrappers:k3s:default-node-token"
_USAGES = "signing,authentication"
_UNITS = {"h": 3600, "m": 60, "s": 1}


def run(arguments: t.Sequence[str]) -> int:
    """:raises Fatal: no such token, no API, or not in the stand-in."""
    parser = argparse.ArgumentParser(prog="k3s token", allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True)
    common = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    common.add_argument("--data-dir", "-d", default=flags.FLAGS["data-dir"].default)
    common.add_argument("--kubeconfig", default="")
    create = verbs.add_parser("create", parents=[common])
    create.add_argument("token", nargs="?", default="")
    create.add_argument("--description", default="")
    create.add_argument("--groups", action="append")
    create.add_argument("--ttl", default="24h0m0s")
    create.add_argument("--usages", action="append")
    delete = verbs.add_parser("delete", parents=[common])
    delete.add_argument("tokens", nargs="+")
    verbs.add_parser("generate", parents=[common])
    listing = verbs.add_parser("list", parents=[common])
    listing.add_argument("--output", "-o", choices=("text", "json"), default="text")
    verbs.add_parser("rotate", parents=[common])
    given, _rest = parser.parse_known_args(list(arguments))
    if given.verb == "generate":
        print(tokens.generate_bootstrap())
        return 0
    if given.verb == "rotate":
        raise Fatal("not in the stand-in: k3s token rotate")
    try:
        return {"create": _create, "delete": _delete, "list": _list}[given.verb](given, _api(given.kubeconfig))
    except (HttpError, OSError) as exc:
        raise Fatal(str(exc)) from exc


def _create(given: argparse.Namespace, api: Api) -> int:
    token = given.token or tokens.generate_bootstrap()
    if not tokens.BOOTSTRAP.fullmatch(token):
        raise Fatal(f'the bootstrap token {token!r} was not of the form "{tokens.BOOTSTRAP.pattern}"')
    identity, _dot, secret = token.partition(".")
    data = {"token-id": identity, "token-secret": secret, "auth-extra-groups": ",".join(given.groups or [_GROUPS])}
    for usage in ",".join(given.usages or [_USAGES]).split(","):
        data[f"usage-bootstrap-{usage}"] = "true"
    if seconds := _seconds(given.ttl):
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
        data["expiration"] = end.strftime("%Y-%m-%dT%H:%M:%SZ")
    if given.description:
        data["description"] = given.description
    content = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"bootstrap-token-{identity}", "namespace": "kube-system"},
        "type": "bootstrap.kubernetes.io/token",
        "stringData": data,
    }
    api.create(_SECRETS, content)
    ca = Identity(Paths(Path(given.data_dir))).server_ca
    print(tokens.Token("", "", tokens.ca_hash(ca), token).text)
    return 0


def _delete(given: argparse.Namespace, api: Api) -> int:
    for text in given.tokens:
        identity = tokens.parse(text, "").bootstrap.partition(".")[0] or text
        if api.find(f"{_SECRETS}/bootstrap-token-{identity}") is None:
            raise Fatal(f"failed to delete bootstrap token {identity}: not found")
        api.delete(f"{_SECRETS}/bootstrap-token-{identity}")
        print(f'bootstrap token "{identity}" deleted')
    return 0


def _list(given: argparse.Namespace, api: Api) -> int:
    found = api.get(f"{_SECRETS}?fieldSelector=type%3Dbootstrap.kubernetes.io/token")["items"]
    rows = [{name: base64.b64decode(value).decode() for name, value in one["data"].items()} for one in found]
    if given.output == "json":
        for row in rows:
            print(json.dumps({"token": f"{row['token-id']}.{row['token-secret']}", **row}))
        return 0
    print("TOKEN\tEXPIRES\tUSAGES\tDESCRIPTION\tEXTRA GROUPS")
    for row in rows:
        usages = ",".join(name.rpartition("-")[2] for name in sorted(row) if name.startswith("usage-"))
        end, text = row.get("expiration", "<never>"), row.get("description", "<none>")
        print(f"{row['token-id']}.<redacted>\t{end}\t{usages}\t{text}\t{row.get('auth-extra-groups', '')}")
    return 0


def _seconds(text: str) -> int:
    parts = re.findall(r"(\d+)([hms])", text)
    if "".join(number + unit for number, unit in parts) != text and text != "0":
        raise Fatal(f'invalid value "{text}" for flag -ttl: parse error')
    return sum(int(number) * _UNITS[unit] for number, unit in parts)


def _api(path: str) -> Api:
    """With the administrator's rights."""
    place = Path(path or tools.kubeconfig())
    try:
        content = yaml.safe_load(place.read_text(encoding="utf-8"))
    except OSError as exc:
        raise Fatal(str(exc)) from exc
    cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
    return Api(cluster["server"], _context(cluster, user))


def _context(cluster: t.Mapping[str, str], user: t.Mapping[str, str]) -> ssl.SSLContext:
    import tempfile  # noqa: PLC0415

    context = trusting(base64.b64decode(cluster["certificate-authority-data"]).decode())
    # Python loads a client's key from a file only; this one has no name that others could find.
    with tempfile.NamedTemporaryFile(dir="/run", mode="w") as file:
        for part in ("client-certificate-data", "client-key-data"):
            file.write(base64.b64decode(user[part]).decode())
        file.flush()
        context.load_cert_chain(file.name)
    return context


__all__ = ("run",)
