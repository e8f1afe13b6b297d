# SPDX-License-Identifier: Apache-2.0
"""``k3s etcd-snapshot``: save, ls, delete and prune of local files (k3s.md C.5)."""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import time
import typing as t
import zipfile
from pathlib import Path

from k3s_standin import config, flags
from k3s_standin.log import Fatal, info
from k3s_standin.paths import Paths
from k3s_standin.record import Record


def run(arguments: t.Sequence[str]) -> int:
    """:raises Fatal: etcd does not answer, or not in the stand-in."""
    if any(word.startswith(("--s3", "--etcd-s3")) for word in arguments):
        raise Fatal("not in the stand-in: snapshots in S3")
    parser = argparse.ArgumentParser(prog="k3s etcd-snapshot", allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True)
    common = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    common.add_argument("--config", "-c", default=os.environ.get("K3S_CONFIG_FILE", flags.FLAGS["config"].default))
    common.add_argument("--data-dir", "-d", default="")
    common.add_argument("--etcd-snapshot-dir", "--dir", default="")
    save = verbs.add_parser("save", parents=[common])
    save.add_argument("--name", default="on-demand")
    save.add_argument("--etcd-snapshot-compress", "--snapshot-compress", action="store_true")
    listing = verbs.add_parser("ls", parents=[common], aliases=["list", "l"])
    listing.add_argument("--output", "-o", choices=("standard", "json"), default="standard")
    delete = verbs.add_parser("delete", parents=[common])
    delete.add_argument("names", nargs="+")
    prune = verbs.add_parser("prune", parents=[common])
    prune.add_argument("--name", default="on-demand")
    prune.add_argument("--snapshot-retention", "--etcd-snapshot-retention", type=int, default=5)
    given = parser.parse_args(list(arguments))
    # Flags of servers that this command has not are none of its business.
    words = config.from_files(Path(given.config), flags.of("server"), Record())
    settings = config.Settings("server", config.parse(words, flags.of("server")), ())
    paths = Paths(Path(given.data_dir or settings.text("data-dir")))
    folder = Path(given.etcd_snapshot_dir or settings.text("etcd-snapshot-dir") or paths.snapshots)
    if given.verb == "save":
        node = settings.text("node-name") or socket.gethostname().lower()
        return _save(paths, folder, f"{given.name}-{node}", compress=given.etcd_snapshot_compress)
    if given.verb == "delete":
        return _delete(folder, given.names)
    if given.verb == "prune":
        found = [path for path in _files(folder) if path.name.startswith(f"{given.name}-")]
        return _delete(folder, [path.name for path in found[: max(0, len(found) - given.snapshot_retention)]])
    return _list(folder, given.output)


def _save(paths: Paths, folder: Path, stem: str, *, compress: bool) -> int:
    if not paths.etcd.is_dir():
        raise Fatal("etcd datastore disabled")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    place = folder / f"{stem}-{int(time.time())}"
    tls = paths.etcd_tls
    arguments = [
        str(paths.bin / "etcdctl"),
        "--endpoints=https://127.0.0.1:2379",
        f"--cacert={tls}/server-ca.crt",
        f"--cert={tls}/client.crt",
        f"--key={tls}/client.key",
        "snapshot",
        "save",
        str(place),
    ]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Fatal(f"failed to save etcd snapshot: {done.stderr.strip()[-500:]}")
    place.chmod(0o600)
    if compress:
        packed = place.with_name(f"{place.name}.zip")
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(place, place.name)
        packed.chmod(0o600)
        place.unlink()
        place = packed
    info(f"Snapshot {place.name} saved.")
    return 0


def _list(folder: Path, form: str) -> int:
    rows = [
        {
            "name": path.name,
            "location": f"file://{path}",
            "size": path.stat().st_size,
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(path.stat().st_mtime)),
        }
        for path in _files(folder)
    ]
    if form == "json":
        print(json.dumps(rows))
        return 0
    print("Name Location Size Created")
    for row in rows:
        print(" ".join(str(value) for value in row.values()))
    return 0


def _delete(folder: Path, names: t.Sequence[str]) -> int:
    for name in names:
        place = folder / Path(name).name
        if not place.is_file():
            raise Fatal(f"snapshot {name} not found")
        place.unlink()
        info(f"Snapshot {name} deleted.")
    return 0


def _files(folder: Path) -> list[Path]:
    """The oldest first."""
    found = [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
    return sorted(found, key=lambda path: path.stat().st_mtime)


__all__ = ("run",)
