# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""The root file system all container machines share: Debian, built once from signed packages."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import typing as t
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import CommandFailed, KlubsterError
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.lock import locked_folder

INIT = "/usr/lib/klubster-lab/init"
PACKAGES = (
    "systemd", "systemd-sysv", "dbus", "udev", "python3", "iproute2", "iptables", "nftables", "openssh-server",
    "conntrack", "ipset", "socat", "kmod", "procps", "keepalived",
)  # fmt: skip
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# Process 1 starts as this script: systemd manages the version 1 controllers only when it finds them writable.
_INIT_SCRIPT = """\
#!/bin/sh
for tree in /sys/fs/cgroup /sys/fs/cgroup/*; do
    mountpoint -q "$tree" && mount -o remount,rw,bind "$tree"
done
mount --make-rshared /
echo 0 > /proc/sys/net/ipv4/ip_forward
exec /lib/systemd/systemd
"""
# From version 256 on, systemd wants to be asked before it works with control groups of version 1. In a container it
# takes its own arguments for the kernel's command line.
_LEGACY = " systemd.unified_cgroup_hierarchy=0 SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"
# The machines share the host's kernel, which they cannot load modules into.
_MODPROBE_SCRIPT = """\
#!/bin/sh
exit 0
"""
# udev may tell the machine of its network interfaces, not of the host's disks.
_UDEV = """\
[Service]
ExecStart=
ExecStart=-udevadm trigger --type=subsystems --action=add --subsystem-match=net
ExecStart=-udevadm trigger --type=devices --action=add --subsystem-match=net
"""
_SSHD = """\
PermitRootLogin prohibit-password
PasswordAuthentication no
UseDNS no
MaxStartups 100
"""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what the root file system holds."""

    suite: str = "bookworm"
    packages: tuple[str, ...] = PACKAGES
    files: dict[str, tuple[str, int]] = field(
        default_factory=lambda: {
            INIT: (_INIT_SCRIPT, 0o755),
            "/usr/sbin/modprobe": (_MODPROBE_SCRIPT, 0o755),
            "/etc/systemd/system/systemd-udev-trigger.service.d/lab.conf": (_UDEV, 0o644),
            "/etc/ssh/sshd_config.d/lab.conf": (_SSHD, 0o644),
            "/etc/machine-id": ("", 0o444),
        }
    )
    # What a machine without disks, terminals and a way out has no use for.
    masked: tuple[str, ...] = (
        "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer",
        "e2scrub_reap.service", "fstrim.timer", "getty@tty1.service", "systemd-pstore.service",
    )  # fmt: skip
    # What one machine must not share with another.
    removed: tuple[str, ...] = (
        "etc/ssh/ssh_host_*", "etc/hostname", "etc/hosts", "etc/resolv.conf", "var/lib/dbus/machine-id",
        "var/cache/apt/archives/*.deb", "var/cache/apt/*.bin", "var/lib/apt/lists/*", "var/log/*.log", "var/log/apt",
    )  # fmt: skip

    @property
    def key(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


def recipe_for(suite: str) -> Recipe:
    """The recipe for a suite of Debian."""
    recipe = Recipe(suite=suite)
    if suite != "bookworm":
        script = _INIT_SCRIPT.rstrip("\n")
        legacy = f'[ -e /sys/fs/cgroup/cgroup.controllers ] || set --{_LEGACY}\nexec /lib/systemd/systemd "$@"\n'
        recipe.files[INIT] = (script.replace("exec /lib/systemd/systemd", legacy), 0o755)
    return recipe


class BaseRoot:
    """Finds or builds the root file system of a recipe.

    :param folder: the cache's folder for root file systems.
    :param mirror: where packages come from; empty: where the host's apt gets its own.
    """

    def __init__(self, folder: Path, runner: Runner, *, recipe: Recipe | None = None, mirror: str = "") -> None:
        self._folder, self._run, self._mirror = folder, runner, mirror
        self.recipe = recipe or Recipe()

    @property
    def path(self) -> Path:
        return self._folder / f"base-{self.recipe.key}"

    def ready(self) -> bool:
        return self.path.is_dir()

    def build(self) -> bool:
        """Build it when it is not there; return whether it was built. Cut short, the next call starts from nothing."""
        if self.ready():
            return False
        self._folder.mkdir(parents=True, exist_ok=True)
        with locked_folder(self._folder):
            if self.ready():
                return False
            mirror = self._mirror or self._mirror_of_apt()
            partial = self._folder / f"partial-{self.recipe.key}"
            remove_folder(partial, self._run)
            try:
                self._run(self.command(partial, mirror), env=self._proxies())
            except CommandFailed as exc:
                raise KlubsterError(
                    f"Debian {self.recipe.suite} cannot be installed from {mirror}.\n{_reason(partial, exc)}"
                ) from exc
            self._finish(partial)
            partial.rename(self.path)
        return True

    def command(self, target: Path, mirror: str) -> list[str]:
        """debootstrap in namespaces of its own: killed, it leaves neither mounts nor processes."""
        return [
            "setpriv", "--pdeathsig", "KILL",
            "unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc",
            "debootstrap", "--force-check-gpg", f"--keyring={KEYRING}", "--variant=minbase",
            f"--include={','.join(self.recipe.packages)}",
            self.recipe.suite, str(target), mirror,
        ]  # fmt: skip

    def _mirror_of_apt(self) -> str:
        listing = self._run(
            [
                "apt-get",
                "indextargets",
                "--format",
                "$(CODENAME) $(COMPONENT) $(ORIGIN) $(REPO_URI)",
                "Created-By: Packages",
            ],
            check=False,
        )
        mirrors = {}
        for line in listing.stdout.splitlines():
            codename, component, origin, address = [*line.split(maxsplit=3), "", "", "", ""][:4]
            if (component, origin) == ("main", "Debian") and "-" not in codename:
                mirrors[codename] = address
        if mirrors:
            # A mirror of one suite has the others too.
            return mirrors.get(self.recipe.suite) or next(iter(mirrors.values()))
        raise KlubsterError(
            f"apt on this machine knows no source of Debian {self.recipe.suite} main, so the lab "
            "does not know where to get it. "
            "Set lab_mirror to a mirror of Debian, or run apt-get update if its lists are empty."
        )

    def _proxies(self) -> dict[str, str]:
        """debootstrap fetches with wget, which does not read apt's settings."""
        found = {}
        for scheme in ("http", "https"):
            said = self._run(["apt-config", "shell", "PROXY", f"Acquire::{scheme}::Proxy"], check=False).stdout.strip()
            if said.startswith("PROXY='") and f"{scheme}_proxy" not in os.environ:
                found[f"{scheme}_proxy"] = said[len("PROXY='") : -1]
        return found

    def _finish(self, root: Path) -> None:
        for pattern in self.recipe.removed:
            for path in root.glob(pattern):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
        for name, (content, mode) in self.recipe.files.items():
            path = root / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            # The name may be a symlink to a program that many names share.
            path.unlink(missing_ok=True)
            path.write_text(content)
            path.chmod(mode)
        for unit in self.recipe.masked:
            link = root / "etc/systemd/system" / unit
            link.unlink(missing_ok=True)
            link.symlink_to("/dev/null")


def remove_folder(path: Path, runner: Runner) -> None:
    """Remove a folder, never going into another file system that may be mounted below it."""
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        runner(["rm", "-rf", "--one-file-system", "--", str(path)])


def _reason(target: Path, failed: CommandFailed) -> str:
    lines: t.Sequence[str] = ()
    with contextlib.suppress(OSError):
        lines = (target / "debootstrap" / "debootstrap.log").read_text(errors="replace").splitlines()[-15:]
    return "\n".join([str(failed), *lines])


__all__ = ("INIT", "KEYRING", "PACKAGES", "BaseRoot", "Recipe", "recipe_for", "remove_folder")
