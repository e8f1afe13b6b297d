# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""nftables, dnsmasq and keepalived on this machine: our files, our units, the kernel's tables."""

from __future__ import annotations

import contextlib
import json
import tempfile
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import CommandFailed, KlubsterError
from ansible_collections.kateskit.klubster.plugins.module_utils._files import write_atomically
from ansible_collections.kateskit.klubster.plugins.module_utils._node import services as node_services
from ansible_collections.kateskit.klubster.plugins.module_utils._router import nft, nft_tables
from ansible_collections.kateskit.klubster.plugins.module_utils._router.frr_device import Clock, RealClock
from ansible_collections.kateskit.klubster.plugins.module_utils._router.services import PROGRAMS, Program

RULES_UNIT = "klubster-router-rules.service"
UNDO = "klubster-router-undo"
_NFT = "/usr/sbin/nft"
#: seconds in which a program that cannot serve has ended
_SETTLE = 1.0


class ServicesError(KlubsterError):
    """A program does not do what it shall."""


@dataclass(frozen=True)
class Places:
    """Where our files are."""

    root: Path = Path("/")

    @property
    def folder(self) -> Path:
        return self.root / "etc/klubster/router"

    @property
    def units(self) -> Path:
        return self.root / "etc/systemd/system"

    @property
    def undo(self) -> Path:
        return self.root / "run/klubster-router"

    def rules(self, part: str) -> Path:
        return self.folder / f"{part}.nft"

    def config(self, part: str) -> Path:
        return self.folder / f"{part}.conf"

    @property
    def drop_in(self) -> Path:
        return self.units / "nftables.service.d/klubster-router.conf"


@dataclass(frozen=True)
class State:
    """What a unit is.

    :param stale: its file is younger than its process: a run was cut short between them.
    """

    active: bool
    enabled: bool
    stale: bool = False


class Services:
    """Speaks with the programs."""

    def __init__(self, run: Runner, places: t.Optional[Places] = None, clock: t.Optional[Clock] = None) -> None:
        self.run, self.places, self._clock = run, places or Places(), clock or RealClock()

    # --- files

    @staticmethod
    def read(path: Path) -> t.Optional[str]:
        return path.read_text(encoding="utf-8") if path.exists() else None

    @staticmethod
    def put(path: Path, text: t.Optional[str]) -> None:
        """Write a file, or take it away."""
        if text is None:
            path.unlink(missing_ok=True)
        else:
            write_atomically(path, text.encode(), mode=0o644)

    def unit_files(self, programs: t.Collection[str], *, rules: bool) -> dict[Path, str]:
        """The units that these need, with their texts."""
        found = {self.places.units / PROGRAMS[part].unit: self._unit(PROGRAMS[part]) for part in programs}
        if rules:
            found[self.places.units / RULES_UNIT] = self._rules_unit()
            found[self.places.drop_in] = self._drop_in()
        return found

    def _unit(self, program: Program) -> str:
        config = str(self.places.config(program.part))
        arguments = " ".join(word.format(file=config) for word in program.arguments)
        return (
            "# Written by kateskit.klubster; changes are overwritten. Put your own into a drop-in.\n"
            f"[Unit]\nDescription={program.title}\nWants=network-online.target\n"
            f"After=network-online.target frr.service {RULES_UNIT}\n"
            f"\n[Service]\nType=simple\nStateDirectory=klubster-router\n"
            f"ExecStart={program.path} {arguments}\n"
            "Restart=on-failure\nRestartSec=1\n"
            "\n[Install]\nWantedBy=multi-user.target\n"
        )

    def _loading(self) -> list[str]:
        return [f"{_NFT} -f {self.places.rules(part)}" for part in nft_tables.TABLES]

    def _rules_unit(self) -> str:
        # A part that the router has not has no file; that is no failure of the others.
        loads = "".join(f"ExecStart=-{line}\n" for line in self._loading())
        return (
            "# Written by kateskit.klubster; changes are overwritten. Put your own into a drop-in.\n"
            "[Unit]\nDescription=NAT and firewall of this router\nDefaultDependencies=no\n"
            "Before=network-pre.target shutdown.target\nWants=network-pre.target\nConflicts=shutdown.target\n"
            "After=local-fs.target nftables.service\n"
            f"\n[Service]\nType=oneshot\nRemainAfterExit=yes\n{loads}"
            "\n[Install]\nWantedBy=multi-user.target\n"
        )

    def _drop_in(self) -> str:
        """The system's own rules begin with emptying everything, whenever they are read; ours follow them."""
        lines = [f"{verb}=-{line}\n" for line in self._loading() for verb in ("ExecStartPost", "ExecReload")]
        return f"# Written by kateskit.klubster.\n[Service]\n{''.join(lines)}"

    def traces(self, part: str) -> bool:
        """Whether anything of ours is there for a part."""
        paths = [self.places.config(part), self.places.rules(part)]
        paths += [self.places.units / PROGRAMS[part].unit] if part in PROGRAMS else []
        table = part in nft_tables.TABLES and self.has_nft() and self.table(part) is not None
        return table or any(path.exists() for path in paths)

    def tidy(self) -> None:
        """Take our folders away where nothing is left in them."""
        for folder in (self.places.folder, self.places.drop_in.parent):
            with contextlib.suppress(OSError):
                folder.rmdir()

    # --- units

    def state(self, unit: str, config: t.Optional[Path] = None) -> State:
        shown = self.run(["systemctl", "show", "--timestamp=unix", unit]).stdout
        found = dict(line.partition("=")[::2] for line in shown.splitlines())
        started = found.get("ExecMainStartTimestamp", "").lstrip("@")
        written = int(config.stat().st_mtime) if config is not None and config.exists() else 0
        stale = started.isdigit() and int(started) < written
        active = found.get("ActiveState") in ("active", "reloading", "activating")
        return State(active, found.get("UnitFileState") == "enabled", active and stale)

    def systemctl(self, *arguments: str) -> None:
        self.run(["systemctl", *arguments], timeout=60)

    def restart(self, unit: str) -> None:
        """Restart a service and look whether it stays.

        :raises ServicesError: with the end of its journal.
        """
        self.run(["systemctl", "reset-failed", unit], check=False)
        failed = ""
        try:
            self.systemctl("restart", unit)
            self._clock.pause(_SETTLE)
            shown = self.run(["systemctl", "show", "--property", "ActiveState,NRestarts", unit]).stdout
            if "ActiveState=active" not in shown or "NRestarts=0" not in shown:
                failed = "It ended at once."
        except CommandFailed as exc:
            failed = str(exc)
        if failed:
            tail = "\n".join(node_services.journal(unit, self.run).splitlines()[-15:])
            raise ServicesError(f"{unit} does not run: {failed}\nIts journal ends:\n{tail}")

    def installed(self, part: str) -> bool:
        return (self.places.root / PROGRAMS[part].path.lstrip("/")).exists()

    def has_nft(self) -> bool:
        return (self.places.root / _NFT.lstrip("/")).exists()

    def refused(self, part: str, text: str) -> str:
        """What the program says of a file that it does not take; empty when it takes it."""
        program = PROGRAMS[part]
        with tempfile.TemporaryDirectory(prefix="klubster-router-") as private:
            trial = Path(private, "trial.conf")
            trial.write_text(text, encoding="utf-8")
            argv = [program.path, *(word.format(file=str(trial)) for word in program.test)]
            done = self.run(argv, check=False, timeout=60)
        said = (done.stdout + done.stderr).strip()
        return (said[-2000:] or f"exit status {done.rc}") if done.rc else ""

    # --- rules

    def table(self, part: str) -> t.Optional[nft.Table]:
        """What the kernel does for a part; None when it has no such table."""
        family, name = nft_tables.TABLES[part]
        done = self.run(["nft", "--json", "list", "table", family, name], check=False)
        if done.rc != 0:
            return None
        try:
            return nft.read(json.loads(done.stdout), family, name)
        except ValueError as exc:
            raise ServicesError(f"nft printed something that is no JSON of table {family} {name}: {exc}") from exc

    def listing(self, part: str) -> str:
        """What makes the kernel's table what it is now, for ``nft -f``."""
        family, name = nft_tables.TABLES[part]
        done = self.run(["nft", "list", "table", family, name], check=False)
        return f"table {family} {name}\ndelete table {family} {name}\n{done.stdout if done.rc == 0 else ''}"

    def nft(self, text: str, *, check: bool = False) -> str:
        """Let nft read rules, or only look at them; all or nothing. What it said, empty when it took them."""
        argv = ["nft", *(["--check"] if check else []), "--file", "-"]
        done = self.run(argv, stdin=text, check=False, timeout=60)
        return (done.stderr + done.stdout).strip()[-2000:] or f"exit status {done.rc}" if done.rc else ""

    # --- a way back that needs nobody

    def arm(
        self, rules: str, files: t.Mapping[Path, t.Optional[str]], seconds: int, units: t.Sequence[str] = ()
    ) -> None:
        """In so many seconds make rules and files what they were, unless :meth:`disarm` comes first.

        :param units: those that were switched on, and whose files are among these.
        """
        self.disarm()
        lines = ["#!/bin/sh", f"{_NFT} -f {self.places.undo / 'before.nft'}"]
        self.put(self.places.undo / "before.nft", rules)
        for path, text in files.items():
            if text is None:
                lines.append(f"rm -f {path}")
            else:
                self.put(self.places.undo / path.name, text)
                lines.append(f"mkdir -p {path.parent}")
                lines.append(f"cp {self.places.undo / path.name} {path}")
        lines += ["systemctl daemon-reload"] if units else []
        lines += [f"systemctl enable {unit}" for unit in units]
        self.put(self.places.undo / "undo", "\n".join([*lines, ""]))
        argv = ["systemd-run", f"--unit={UNDO}", f"--on-active={seconds}", "--timer-property=AccuracySec=100ms"]
        self.run([*argv, "/bin/sh", str(self.places.undo / "undo")], timeout=30)

    def armed(self) -> bool:
        done = self.run(["systemctl", "is-active", f"{UNDO}.timer"], check=False)
        return done.rc == 0

    def disarm(self) -> None:
        self.run(["systemctl", "stop", f"{UNDO}.timer"], check=False)
        self.run(["systemctl", "reset-failed", f"{UNDO}.service"], check=False)
        with contextlib.suppress(FileNotFoundError):
            for path in self.places.undo.iterdir():
                path.unlink()


__all__ = ("RULES_UNIT", "UNDO", "Places", "Services", "ServicesError", "State")
