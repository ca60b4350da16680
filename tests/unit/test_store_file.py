"""Where the store may lie, who may read it, and which versions are opened."""

import sqlite3
import stat
from pathlib import Path

import pytest

from elad_exp.budget import database
from elad_exp.budget.budget import Limits
from elad_exp.budget.filesystem import filesystem_of, refuse_network
from elad_exp.budget.store import Store
from elad_exp.errors import ConfigError
from elad_exp.types import Usage


def reserve(store):
    return store.reserve(
        run_id="r",
        key="k",
        sample_id="s",
        round=0,
        bound=Usage(1, 1),
        limits=Limits(),
        wall_s=0.0,
    )


def test_file_and_new_folder_are_the_users_alone(tmp_path):
    path = tmp_path / "new" / "store.sqlite"
    with Store(path) as store:
        reserve(store)
        files = list(path.parent.iterdir())
        assert path.with_name("store.sqlite-wal") in files
        assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_folder_that_exists_keeps_its_mode(tmp_path):
    tmp_path.chmod(0o755)
    Store(tmp_path / "store.sqlite").close()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_commits_reach_the_disk(tmp_path):
    with Store(tmp_path / "store.sqlite") as store:
        assert store._db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert store._db.execute("PRAGMA synchronous").fetchone()[0] == 2


def test_a_newer_version_is_refused(tmp_path):
    path = tmp_path / "store.sqlite"
    Store(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(ConfigError, match=r"version 99.*upgrade elad_exp"):
        Store(path)


def test_an_older_version_is_migrated_and_keeps_its_calls(tmp_path, monkeypatch):
    path = tmp_path / "store.sqlite"
    with Store(path) as store:
        call = reserve(store)
        store.mark_sent(call)
        store.mark_unknown(call)
    later = (*database.MIGRATIONS, ("ALTER TABLE runs ADD COLUMN note TEXT",))
    monkeypatch.setattr(database, "MIGRATIONS", later)
    with Store(path) as store:
        assert store._db.execute("PRAGMA user_version").fetchone()[0] == len(later)
        assert store._db.execute("SELECT run_id, note FROM runs").fetchone()[:] == ("r", None)
        assert store.spent("r").calls == 1


def test_a_migration_that_fails_changes_nothing(tmp_path, monkeypatch):
    path = tmp_path / "store.sqlite"
    Store(path).close()
    broken = (*database.MIGRATIONS, ("CREATE TABLE extra (x)", "no such statement"))
    with monkeypatch.context() as patch:
        patch.setattr(database, "MIGRATIONS", broken)
        with pytest.raises(ConfigError, match="cannot be used"):
            Store(path)
    with Store(path) as store:
        names = {row[0] for row in store._select("SELECT name FROM sqlite_master")}
    assert "calls" in names
    assert "extra" not in names


def test_files_that_are_no_store_are_refused_unchanged(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("not a database, " * 100)
    with pytest.raises(ConfigError, match="cannot be used"):
        Store(text)
    assert text.read_text() == "not a database, " * 100

    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE theirs (x)")
    db.close()
    with pytest.raises(ConfigError, match="another program"):
        Store(other)
    with pytest.raises(ConfigError, match=r"cannot be written.*paths\.store"):
        Store(text / "store.sqlite")


MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/sdb1 /home/me/local xfs rw 0 0
//nas/share /mnt/my\\040share cifs rw 0 0
me@host:/ /mnt/over tmpfs rw 0 0
me@host:/ /mnt/over fuse.sshfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/tmp/store", "ext4"),
        ("/home/me/store", "nfs4"),
        ("/homestead/store", "ext4"),
        ("/home/me/local/store", "xfs"),
        ("/mnt/my share/store", "cifs"),
        ("/mnt/over/store", "fuse.sshfs"),
    ],
)
def test_the_deepest_mount_decides(path, kind):
    assert filesystem_of(Path(path), MOUNTS) == kind


def test_a_network_file_system_is_refused(tmp_path):
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    refuse_network(Path("/tmp/store"), mounts=mounts)
    refuse_network(Path("/home/me/store"), mounts=tmp_path / "absent")
    with pytest.raises(ConfigError, match=r"nfs4.*paths\.store"):
        refuse_network(Path("/home/me/store"), mounts=mounts)
