"""Refuse file systems on which SQLite's write-ahead log does not work."""

from __future__ import annotations

import re
from pathlib import Path

from elad_exp.errors import ConfigError

NETWORK = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "ncpfs", "afs", "coda", "ceph"),
        *("glusterfs", "lustre", "gpfs", "beegfs", "orangefs", "pvfs2", "davfs"),
        *("fuse.sshfs", "fuse.ceph", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.gcsfuse"),
        *("fuse.davfs2", "fuse.curlftpfs", "fuse.smbnetfs", "fuse.juicefs", "fuse.goofys"),
    }
)


def filesystem_of(path: Path, mounts: str) -> str | None:
    """Type of the file system that holds `path`.

    Args:
        path: Absolute, without symbolic links.
        mounts: Text of `/proc/mounts`.

    Returns:
        The type of the deepest mount point above `path` (of equals, the last mounted), or None.
    """
    found, depth = None, -1
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda m: chr(int(m.group(1), 8)), fields[1]))
        if path.is_relative_to(point) and len(point.parts) >= depth:
            found, depth = fields[2], len(point.parts)
    return found


def refuse_network(path: Path, *, mounts: Path = Path("/proc/mounts")) -> None:
    """Raise ConfigError when `path` lies on a network file system; no check without `mounts`."""
    if not mounts.is_file():
        return
    kind = filesystem_of(path.resolve(), mounts.read_text(encoding="utf-8", errors="replace"))
    if kind in NETWORK:
        raise ConfigError(
            f"the store {path} lies on a network file system ({kind}), where SQLite's write-ahead "
            "log is unsafe; set paths.store to a file on a local disk"
        )
