# SPDX-License-Identifier: Apache-2.0
"""containerd: its configuration and its start (k3s.md B.4, D.6)."""

from __future__ import annotations

import json
import re
import socket
import typing as t
from pathlib import Path

import yaml
from k3s_standin import registries
from k3s_standin.config import Settings
from k3s_standin.log import Fatal
from k3s_standin.paths import RUN, SOCKET, Paths, write
from k3s_standin.start import Start

_CAP_SYS_RESOURCE = 1 << 24
_BASE = re.compile(r"\{\{-?\s*template\s+\"base\"\s+\.\s*-?\}\}")
_RUNTIME = "plugins.'io.containerd.cri.v1.runtime'"
_IMAGES = "plugins.'io.containerd.cri.v1.images'"


def may_lower_oom_score() -> bool:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return bool(found and int(found.group(1), 16) & _CAP_SYS_RESOURCE)


def cgroup_driver(folder: Path, default: str, kubelet_arguments: t.Sequence[str]) -> str:
    """What kubelet will use: containerd has to do the same."""
    driver = default
    for path in sorted(folder.glob("*.conf")):
        if path.name != "00-k3s-defaults.conf":
            content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
            driver = str(content.get("cgroupDriver") or driver)
    for entry in kubelet_arguments:
        name, _equals, value = entry.lstrip("-").partition("=")
        driver = value if name == "cgroup-driver" else driver
    return driver


def config(paths: Paths, settings: Settings, *, flannel: bool, driver: str, lower_oom_score: bool) -> str:
    """containerd's config.toml, format version 3."""

    def text(value: object) -> str:
        return json.dumps(str(value))

    lines = [
        "# Written by the stand-in for k3s; put your own into config-v3.toml.tmpl",
        "version = 3",
        f"root = {text(paths.containerd)}",
        f"state = {text(RUN / 'containerd')}",
        "",
        "[grpc]",
        f"  address = {text(SOCKET)}",
        "",
        "[plugins.'io.containerd.internal.v1.opt']",
        f"  path = {text(paths.containerd)}",
        "",
        "[plugins.'io.containerd.grpc.v1.cri']",
        '  stream_server_address = "127.0.0.1"',
        '  stream_server_port = "10010"',
        "",
        f"[{_RUNTIME}]",
        f"  restrict_oom_score_adj = {json.dumps(not lower_oom_score)}",
        "  enable_selinux = false",
        "",
    ]
    if flannel:
        lines += [
            f"[{_RUNTIME}.cni]",
            f"  bin_dirs = [{text(paths.cni_bin)}]",
            f"  conf_dir = {text(paths.cni_config)}",
            "",
        ]
    lines += [
        f"[{_RUNTIME}.containerd]",
        '  default_runtime_name = "runc"',
        f"[{_RUNTIME}.containerd.runtimes.runc]",
        '  runtime_type = "io.containerd.runc.v2"',
        f"[{_RUNTIME}.containerd.runtimes.runc.options]",
        f"  SystemdCgroup = {json.dumps(driver == 'systemd')}",
        "",
        f"[{_IMAGES}]",
        f"  snapshotter = {text(settings.text('snapshotter'))}",
        "  disable_snapshot_annotations = true",
        f"[{_IMAGES}.pinned_images]",
        f"  sandbox = {text(settings.text('pause-image'))}",
        f"[{_IMAGES}.registry]",
        f"  config_path = {text(paths.certs)}",
        "",
    ]
    return "\n".join(lines)


def with_template(base: str, template: str) -> str:
    """A user's template, when it only adds to the base.

    :raises Fatal: it needs Go's templates.
    """
    if "{{" in _BASE.sub("", template):
        raise Fatal('not in the stand-in: of containerd\'s template only {{ template "base" . }}')
    return _BASE.sub(lambda _found: base, template)


def start(start: Start, *, flannel: bool, driver: str) -> None:
    """Configure and start it, and wait for its socket."""
    paths, settings, children = start.paths, start.settings, start.children
    lower = may_lower_oom_score()
    if not lower:
        start.record.add("substitute", "restrict_oom_score_adj", "this machine may not lower it; k3s leaves it alone")
    content = registries.load(Path(settings.text("private-registry")))
    if any(entry.get("rewrite") for entry in (content.get("mirrors") or {}).values() if entry):
        start.record.add("not-covered", "rewrite", "of registries.yaml; only k3s's own containerd follows it")
    text = config(paths, settings, flannel=flannel, driver=driver, lower_oom_score=lower)
    text += registries.credentials(f"{_IMAGES}.registry", content)
    template = paths.containerd_config.with_name("config-v3.toml.tmpl")
    if template.exists():
        text = with_template(text, template.read_text(encoding="utf-8"))
    write(paths.containerd_config, text)
    registries.generate(paths.certs, content, default_endpoint=not settings.on("disable-default-registry-endpoint"))
    for folder in (paths.containerd, RUN / "containerd"):
        folder.mkdir(parents=True, exist_ok=True)
    SOCKET.unlink(missing_ok=True)
    program = children.environment["PATH"].split(":")[0]
    children.start(
        "containerd", [f"{program}/containerd", "-c", str(paths.containerd_config)], log=paths.containerd_log
    )
    children.wait_for("containerd", _answers, pause=0.05)


def _answers() -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(SOCKET))
        except OSError:
            return False
    return True


__all__ = ("cgroup_driver", "config", "may_lower_oom_score", "start", "with_template")
