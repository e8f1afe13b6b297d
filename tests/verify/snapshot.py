# SPDX-License-Identifier: Apache-2.0
"""What a machine looks like, as JSON, and how two such looks differ.

Runs on the machine with its own Python and nothing else (``python3 - < snapshot.py``), and is imported by the tests,
which compare. Only what changes by itself on an idle Debian is left out.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import time
import typing as t
from pathlib import Path

#: Not compared: kernel's own, logs, caches, temporary files, systemd's and Ansible's scratch space.
SKIPPED = (
    "/dev",
    "/proc",
    "/root/.ansible",
    "/run/dbus",
    # Made at each boot of a container.
    "/run/host",
    "/run/lock",
    "/run/log",
    # Written at each login.
    "/run/motd.dynamic",
    "/run/sshd",
    "/run/sshd.pid",
    "/run/systemd",
    "/run/udev",
    "/run/user",
    "/run/utmp",
    "/sys",
    "/tmp",  # noqa: S108
    "/var/cache",
    "/var/lib/systemd",
    "/var/log",
    "/var/tmp",  # noqa: S108
)
SYSCTLS = (
    "net.ipv4",
    "net.ipv6.conf.all",
    "net.ipv6.conf.default",
    "net.bridge",
    "net.netfilter",
    "kernel",
    "vm",
    "fs.inotify",
)
#: Values that the kernel counts or derives, and random ones.
UNSTEADY = re.compile(
    r"random\.|ns_last_pid|pty\.nr|tcp_mem|udp_mem|nf_conntrack_count|\.neigh\.|dentry|nr_|fib_info|\.conf\.(?!all|default)"
)
#: Sessions by which the tests look in, and what Ansible keeps open.
VISITORS = ("(udev-worker)", "sshd", "sftp-server", "(sd-pam)", "python3", "systemd-tmpfile", "agetty")
OLD_ENOUGH = 10.0


def output(*argv: str) -> str:
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return ""


def processes() -> list[dict[str, t.Any]]:
    """Every process but kernel threads and visitors, with the moment of its start."""
    ticks = os.sysconf("SC_CLK_TCK")
    uptime = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            before, _sep, after = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except (FileNotFoundError, ProcessLookupError):
            continue
        program = before.partition("(")[2]
        started = int(after.split()[19])
        if line and not program.startswith(VISITORS) and "sshd" not in line:
            found.append(
                {"pid": int(folder.name), "started": started, "age": uptime - started / ticks, "line": line[:300]}
            )
    return sorted(found, key=lambda entry: t.cast(int, entry["pid"]))


def mounts() -> list[str]:
    found = set()
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        fields = line.split()
        kind = fields[fields.index("-") + 1]
        if not fields[4].startswith(("/run/systemd", "/run/user", "/run/credentials")):
            found.add(f"{fields[4]} {kind}")
    return sorted(found)


def interfaces() -> list[str]:
    links = json.loads(output("ip", "-json", "address") or "[]")
    found = []
    for link in links:
        addresses = sorted(
            f"{entry['local']}/{entry['prefixlen']}"
            for entry in link.get("addr_info", ())
            if entry.get("scope") != "link"
        )
        found.append(f"{link['ifname']} mtu={link['mtu']} master={link.get('master', '-')} {' '.join(addresses)}")
    return sorted(found)


def rules_of_iptables(text: str) -> list[str]:
    """Rules and chains without counters; a table in which nothing but empty built-in chains is left says nothing."""
    found, table = [], ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(":"):
            chain, policy = line[1:].split()[:2]
            if policy not in {"ACCEPT"}:
                found.append(f"{table} chain {chain} {policy}")
        elif line.startswith("-"):
            found.append(f"{table} {line}")
    return found


def rules_of_nft(text: str) -> list[str]:
    """Lines of rules; empty tables and chains that only exist because iptables was once called say nothing."""
    found, table, chain = [], "", ""
    for line in (raw.strip() for raw in text.splitlines()):
        if line.startswith("table "):
            table = line[6:].rstrip(" {")
        elif line.startswith("chain "):
            chain = line[6:].rstrip(" {")
        elif line and line not in {"{", "}"} and not line.startswith(("type ", "#")):
            found.append(f"{table} {chain} {re.sub(r'counter packets [0-9]+ bytes [0-9]+', 'counter', line)}")
    return found


def rules() -> list[str]:
    found = []
    for program in ("iptables-save", "ip6tables-save", "iptables-legacy-save", "ip6tables-legacy-save"):
        found += [f"{program} {rule}" for rule in rules_of_iptables(output(program))]
    found += [f"nft {rule}" for rule in rules_of_nft(output("nft", "list", "ruleset"))]
    found += [f"ipset {line}" for line in output("ipset", "list", "-name").splitlines()]
    return sorted(found)


def files(root: str = "/", skipped: t.Sequence[str] = SKIPPED) -> dict[str, str]:
    """Path → what it is; the content of what is below /etc, size and time of the rest."""
    found: dict[str, str] = {}
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            entries = list(os.scandir(folder))
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue
        for entry in entries:
            path = entry.path
            if any(path == skip or path.startswith(skip + "/") for skip in skipped):
                continue
            if entry.name == "__pycache__" or entry.name.endswith(".pyc"):
                continue
            try:
                info = entry.stat(follow_symlinks=False)
                found[path] = describe(path, info)
            except FileNotFoundError:
                continue
            if stat.S_ISDIR(info.st_mode):
                waiting.append(path)
    return found


def describe(path: str, info: os.stat_result) -> str:
    owner = f"{stat.filemode(info.st_mode)} {info.st_uid}:{info.st_gid}"
    if stat.S_ISLNK(info.st_mode):
        return f"{owner} -> {Path(path).readlink()}"
    if not stat.S_ISREG(info.st_mode):
        return owner
    if path.startswith("/etc/"):
        return f"{owner} sha256={hashlib.sha256(Path(path).read_bytes()).hexdigest()}"
    return f"{owner} size={info.st_size} mtime={info.st_mtime_ns}"


def sysctls() -> dict[str, str]:
    found = {}
    for prefix in SYSCTLS:
        for folder, _folders, names in os.walk("/proc/sys/" + prefix.replace(".", "/")):
            for name in names:
                path = Path(folder, name)
                key = str(path)[len("/proc/sys/") :].replace("/", ".")
                if UNSTEADY.search(key):
                    continue
                try:
                    found[key] = " ".join(path.read_text(encoding="utf-8").split())
                except (OSError, UnicodeDecodeError):
                    continue
    return found


def cgroups() -> list[str]:
    """Folders of pods and of our services, in every hierarchy."""
    wanted = re.compile(r"kubepods|kubelet|containerd|cri-|kube-")
    found: set[str] = set()
    for folder, folders, _names in os.walk("/sys/fs/cgroup"):
        found.update(f"{folder}/{name}" for name in folders if wanted.search(name))
    return sorted(found)


def swaps() -> list[str]:
    return [line.split()[0] for line in Path("/proc/swaps").read_text(encoding="utf-8").splitlines()[1:]]


def look() -> dict[str, t.Any]:
    return {
        "processes": processes(),
        "mounts": mounts(),
        "interfaces": interfaces(),
        "routes": sorted(line.strip() for line in output("ip", "route", "show", "table", "main").splitlines()),
        "rules": rules(),
        "files": files(),
        "sysctls": sysctls(),
        "cgroups": cgroups(),
        "swaps": swaps(),
        "units": sorted(
            line.split()[0]
            for line in output("systemctl", "list-unit-files", "--no-legend", "--plain").splitlines()
            if line.strip()
        ),
        "failed": sorted(
            line.split()[0]
            for line in output("systemctl", "list-units", "--failed", "--no-legend", "--plain").splitlines()
            if line.strip()
        ),
        "when": time.time(),
    }


def changes(before: t.Mapping[str, t.Any], after: t.Mapping[str, t.Any]) -> list[str]:
    """What is different between two looks at one machine, one line for each thing; processes by their command line."""
    found = []
    for part in ("mounts", "interfaces", "routes", "rules", "cgroups", "swaps", "units", "failed"):
        found += [f"{part}: appeared: {entry}" for entry in sorted(set(after[part]) - set(before[part]))]
        found += [f"{part}: gone: {entry}" for entry in sorted(set(before[part]) - set(after[part]))]
    lines = {entry["line"] for entry in before["processes"]}
    new = {entry["line"] for entry in after["processes"] if entry["age"] > OLD_ENOUGH or entry["line"] not in lines}
    found += [f"processes: appeared: {line}" for line in sorted(new - lines)]
    found += [f"processes: gone: {line}" for line in sorted(lines - {entry["line"] for entry in after["processes"]})]
    for part in ("files", "sysctls"):
        for key in sorted(set(before[part]) | set(after[part])):
            was, now = before[part].get(key), after[part].get(key)
            if was != now:
                found.append(f"{part}: {key}: {was or 'absent'} -> {now or 'absent'}")
    return found


def restarted(before: t.Sequence[t.Mapping[str, t.Any]], after: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    """Processes that ran for a while and are no longer the same ones."""
    living = {(entry["pid"], entry["started"]) for entry in after}
    return sorted(
        entry["line"]
        for entry in before
        if entry["age"] > OLD_ENOUGH and (entry["pid"], entry["started"]) not in living
    )


def compare(kind: str, before: Path, after: Path, but: t.Collection[str] = ()) -> list[str]:
    """Every machine's file in two folders; the lines carry the machine's name.

    :param but: machines that are another one by now.
    """
    there, now_there = ({path.name for path in folder.glob("*.json")} for folder in (before, after))
    names = sorted(there - {f"{name}.json" for name in but})
    if not names or there != now_there or not there.issuperset(f"{name}.json" for name in but):
        return [f"{before} and {after} do not hold looks at the same machines"]
    found = []
    for name in names:
        was, now = (json.loads((folder / name).read_text(encoding="utf-8")) for folder in (before, after))
        lines = changes(was, now) if kind == "changes" else restarted(was["processes"], now["processes"])
        found += [f"{name[:-5]}: {line}" for line in lines]
    return found


def main(argv: t.Sequence[str]) -> int:
    """Without arguments, look; with ``changes`` or ``restarted``, two folders and machines to leave out, compare."""
    if not argv:
        print(json.dumps(look()))
        return 0
    kind, before, after, *but = argv
    found = compare(kind, Path(before), Path(after), but)
    print("\n".join(found) or f"no {kind}")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
