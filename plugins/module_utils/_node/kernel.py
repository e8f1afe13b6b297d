# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Kernel modules, kernel settings, the kernel's command line and swap of this machine."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import CommandFailed, KlubsterError

# Set by kubelet, kube-proxy and CNI plugins while they run; remembered, so that a reset can put them back.
WATCHED = (
    "kernel.keys.root_maxbytes",
    "kernel.keys.root_maxkeys",
    "kernel.panic",
    "kernel.panic_on_oops",
    "net.ipv4.conf.all.route_localnet",
    "net.ipv4.ip_forward",
    "net.ipv4.vs.conntrack",
    "net.ipv6.conf.all.forwarding",
    "net.netfilter.nf_conntrack_max",
    "net.netfilter.nf_conntrack_tcp_timeout_close_wait",
    "net.netfilter.nf_conntrack_tcp_timeout_established",
    "vm.overcommit_memory",
)
PI_COMMAND_LINES = ("boot/firmware/cmdline.txt", "boot/cmdline.txt")


# What a feature that is built in shows of itself when it has no folder under /sys/module.
_SIGNS = {
    "br_netfilter": "proc/sys/net/bridge/bridge-nf-call-iptables",
    "nf_conntrack": "proc/sys/net/netfilter/nf_conntrack_max",
}


class KernelError(KlubsterError):
    """The kernel lacks something or refuses a setting."""


@dataclass(frozen=True)
class Kernel:
    """The kernel as its files show it; tests give another root."""

    root: Path = Path("/")

    def has_module(self, name: str) -> bool:
        """Whether a module is loaded or built in."""
        plain = name.replace("-", "_")
        sign = _SIGNS.get(plain)
        if (self.root / "sys/module" / plain).exists() or (sign is not None and (self.root / sign).exists()):
            return True
        try:
            loaded = (self.root / "proc/modules").read_text(encoding="ascii")
        except OSError:
            return False
        return any(line.split(" ", 1)[0] == plain for line in loaded.splitlines())

    def setting(self, key: str) -> str | None:
        """The live value, with single blanks; None when this kernel does not have it."""
        try:
            return " ".join(self._file(key).read_text(encoding="utf-8").split())
        except OSError:
            return None

    def set(self, key: str, value: str) -> None:
        """Change a live value.

        :raises KernelError: names key, value and what the kernel said.
        """
        try:
            self._file(key).write_text(value, encoding="utf-8")
        except OSError as exc:
            raise KernelError(
                f"machine_sysctls.{key} = {value!r}: the kernel refuses it ({exc.strerror}). "
                "Leave it out, or give a value that this kernel takes."
            ) from exc

    def swaps(self) -> list[str]:
        """Devices and files that the machine swaps to."""
        try:
            lines = (self.root / "proc/swaps").read_text(encoding="utf-8").splitlines()[1:]
        except OSError:
            return []
        return [line.split()[0] for line in lines if line.strip()]

    def is_raspberry_pi(self) -> bool:
        try:
            model = (self.root / "proc/device-tree/model").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return False
        return model.startswith("Raspberry Pi")

    def command_line_file(self, names: t.Sequence[str] = PI_COMMAND_LINES) -> Path | None:
        """The boot loader's file with the kernel command line, on a Raspberry Pi."""
        if not self.is_raspberry_pi():
            return None
        for name in names:
            path = self.root / name.lstrip("/")
            # Newer systems leave a note in the old place that points to the new one.
            if path.is_file() and "root=" in path.read_text(encoding="utf-8"):
                return path
        return None

    def booted_with(self) -> list[str]:
        try:
            return (self.root / "proc/cmdline").read_text(encoding="utf-8").split()
        except OSError:
            return []

    def _file(self, key: str) -> Path:
        # Dots separate; a slash stands for a dot inside a name (an interface eth0.10).
        parts = [part.replace("/", ".") for part in key.split(".")]
        return self.root / "proc/sys" / Path(*parts)


def load_modules(names: t.Sequence[str], kernel: Kernel, run: Runner) -> None:
    """Load modules into the running kernel.

    :raises KernelError: names the module and the remedy.
    """
    for name in names:
        try:
            run(["modprobe", name])
        except CommandFailed as exc:
            if kernel.has_module(name):
                continue
            raise KernelError(
                f"Kernel module {name} cannot be loaded: {exc}. Boot a kernel that has it; on Debian and Ubuntu "
                "install linux-image or linux-modules-extra of the running kernel and kmod, then run again."
            ) from exc


def with_parameters(line: str, parameters: t.Sequence[str]) -> str:
    """The kernel command line with missing parameters at its end; one line, as the boot loader demands.

    A parameter that stands there with another value is left as the user wrote it, ours follows and wins.
    """
    words = line.split()
    missing = [parameter for parameter in parameters if parameter not in words]
    if not missing:
        return line
    return " ".join([*words, *missing]) + "\n"


__all__ = ("WATCHED", "Kernel", "KernelError", "load_modules", "with_parameters")
