# SPDX-License-Identifier: Apache-2.0
"""registries.yaml becomes containerd's certs.d, and credentials part of its configuration (k3s.md B.7)."""

from __future__ import annotations

import json
import shutil
import typing as t
import urllib.parse
from pathlib import Path

import yaml
from k3s_standin.log import Fatal
from k3s_standin.paths import write

#: containerd's name by that of k3s
_AUTH = {"username": "username", "password": "password", "auth": "auth", "token": "identitytoken"}


def load(path: Path) -> dict[str, t.Any]:
    """:raises Fatal: it is no YAML, or has a key that k3s does not know."""
    if not path.exists():
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as exc:
        raise Fatal(f"failed to load registries from {path}: {exc}") from exc
    if not isinstance(content, dict) or set(content) - {"mirrors", "configs", "auths"}:
        raise Fatal(f"failed to load registries from {path}: it holds mirrors and configs")
    return content


def hosts(content: t.Mapping[str, t.Any], *, default_endpoint: bool) -> dict[str, str]:
    """The text of hosts.toml by registry."""
    configs = content.get("configs") or {}
    names = dict.fromkeys([*(content.get("mirrors") or {}), *configs])
    result = {}
    for name in names:
        mirror = (content.get("mirrors") or {}).get(name) or {}
        lines = []
        listed = name in (content.get("mirrors") or {})
        if name != "*" and (default_endpoint or not listed):
            lines.append(f"server = {json.dumps(_default(name))}")
        for endpoint in mirror.get("endpoint") or []:
            lines += _host(_with_path(endpoint), configs, mirror.get("rewrite") or {})
        if name in configs:
            lines += _host(_default(name), configs, {})
        result[name] = "\n".join(lines) + "\n"
    return result


def generate(folder: Path, content: t.Mapping[str, t.Any], *, default_endpoint: bool) -> None:
    """Write them below certs.d; what was there before goes."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in hosts(content, default_endpoint=default_endpoint).items():
        write(folder / ("_default" if name == "*" else name) / "hosts.toml", text)


def credentials(table: str, content: t.Mapping[str, t.Any]) -> str:
    """For containerd's configuration, below its table of registries."""
    lines = []
    for name, config in (content.get("configs") or {}).items():
        given = (config or {}).get("auth") or {}
        have = {key: given[theirs] for theirs, key in _AUTH.items() if given.get(theirs)}
        if have:
            lines.append(f"[{table}.configs.{json.dumps(name)}.auth]")
            lines += [f"  {key} = {json.dumps(value)}" for key, value in have.items()]
    return "".join(f"{line}\n" for line in lines)


def _default(name: str) -> str:
    return "https://registry-1.docker.io/v2" if name == "docker.io" else f"https://{name}/v2"


def _with_path(endpoint: str) -> str:
    text = endpoint if "://" in endpoint else f"https://{endpoint}"
    parts = urllib.parse.urlsplit(text)
    return text if parts.path.strip("/") else f"{parts.scheme}://{parts.netloc}/v2"


def _host(url: str, configs: t.Mapping[str, t.Any], rewrite: t.Mapping[str, str]) -> list[str]:
    table = f"host.{json.dumps(url)}"
    lines = [f"[{table}]", '  capabilities = ["pull", "resolve"]']
    config = configs.get(urllib.parse.urlsplit(url).netloc) or configs.get("*") or {}
    tls = config.get("tls") or {}
    if tls.get("ca_file"):
        lines.append(f"  ca = [{json.dumps(tls['ca_file'])}]")
    if tls.get("cert_file") and tls.get("key_file"):
        lines.append(f"  client = [[{json.dumps(tls['cert_file'])}, {json.dumps(tls['key_file'])}]]")
    if tls.get("insecure_skip_verify"):
        lines.append("  skip_verify = true")
    if rewrite:
        lines.append(f"[{table}.rewrite]")
        lines += [f"  {json.dumps(pattern)} = {json.dumps(text)}" for pattern, text in rewrite.items()]
    return lines


__all__ = ("credentials", "generate", "hosts", "load")
