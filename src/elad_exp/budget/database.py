"""The store's file: where it may lie, its permissions, its schema and migrations."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from elad_exp.budget.filesystem import refuse_network
from elad_exp.errors import ConfigError

APPLICATION_ID = 0x454C4144  # "ELAD"
BUSY_S = 60.0

# Money is in whole pico-dollars: sums of floats would depend on the order of the calls.
# `prompt_tokens, completion_tokens, pico_usd` hold the bound until a call is settled.
_CALLS = """
CREATE TABLE calls (
    call_id TEXT PRIMARY KEY,
    run_id TEXT NOT NULL REFERENCES runs (run_id),
    key TEXT NOT NULL,
    sample_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('reserved', 'sent', 'settled', 'released', 'unknown')),
    status TEXT,
    cached INTEGER NOT NULL DEFAULT 0,
    bound_prompt_tokens INTEGER NOT NULL,
    bound_completion_tokens INTEGER NOT NULL,
    bound_pico_usd INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    pico_usd INTEGER NOT NULL,
    payload TEXT,
    latency_s REAL,
    wall_s REAL NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    start TEXT NOT NULL,
    lease_until REAL NOT NULL,
    reserved_at REAL NOT NULL,
    sent_at REAL,
    closed_at REAL
)
"""

# What is used of a run's limits (settled + unknown + open calls) is summed as calls change: adding
# them up before each reservation would take longer with every call. `used_*` of a run are always
# the sums over its calls that are not released, `cached_*` of those that the cache answered.
_SUMMED = ("calls", "tokens", "pico_usd")
_LIVE = "state != 'released'"
_AMOUNTS = {"calls": "1", "tokens": "{row}.prompt_tokens + {row}.completion_tokens"}
_AMOUNTS |= {"pico_usd": "{row}.pico_usd"}


def _add(row: str, sign: str, texts: str) -> str:
    """The statement that adds a call to the sums of its run, or takes it out of them. The first
    call of an annotation also counts for its `texts`.
    """
    sums = []
    for name in _SUMMED:
        amount = _AMOUNTS[name].format(row=row)
        sums.append(f"used_{name} = used_{name} {sign} ({amount})")
        sums.append(f"cached_{name} = cached_{name} {sign} {row}.cached * ({amount})")
    others = (
        "SELECT 1 FROM calls WHERE run_id = {row}.run_id AND annotation = {row}.annotation"
        f" AND call_id != {{row}}.call_id AND {_LIVE}"
    ).format(row=row)
    count = texts.format(row=row)
    sums.append(f"used_annotations = used_annotations {sign} {count} * NOT EXISTS ({others})")
    return f"UPDATE runs SET {', '.join(sums)} WHERE run_id = {row}.run_id;"


_TOTALS = tuple(
    f"ALTER TABLE runs ADD COLUMN {name} INTEGER NOT NULL DEFAULT 0"
    for name in (
        "last_call",
        "used_annotations",
        *(f"{kind}_{name}" for kind in ("used", "cached") for name in _SUMMED),
    )
)
_FIRST_TOTALS = f"""
UPDATE runs SET
    last_call = (SELECT count(*) FROM calls c WHERE c.run_id = runs.run_id),
    used_annotations = (SELECT count(DISTINCT annotation) FROM calls c
        WHERE c.run_id = runs.run_id AND c.{_LIVE}),
""" + ",\n".join(
    f"    {kind}_{name} = (SELECT coalesce(sum({_AMOUNTS[name].format(row='c')}), 0) FROM calls c"
    f" WHERE c.run_id = runs.run_id AND c.{_LIVE}{only})"
    for kind, only in (("used", ""), ("cached", " AND c.cached"))
    for name in _SUMMED
)


def _triggers(texts: str) -> tuple[str, ...]:
    added, taken = _add("NEW", "+", texts), _add("OLD", "-", texts)
    return (
        f"CREATE TRIGGER call_reserved AFTER INSERT ON calls WHEN NEW.{_LIVE} BEGIN {added} END",
        "CREATE TRIGGER call_changed AFTER UPDATE OF cached, prompt_tokens, completion_tokens,"
        f" pico_usd ON calls WHEN OLD.{_LIVE} AND NEW.{_LIVE} BEGIN {taken} {added} END",
        "CREATE TRIGGER call_released AFTER UPDATE OF state ON calls"
        f" WHEN OLD.{_LIVE} AND NOT NEW.{_LIVE} BEGIN {taken} END",
        f"CREATE TRIGGER call_pruned AFTER DELETE ON calls WHEN OLD.{_LIVE} BEGIN {taken} END",
    )


_TRIGGER_NAMES = ("call_reserved", "call_changed", "call_released", "call_pruned")
# What an annotation of several calls may need beyond its open call, set aside with its first.
_HOLDS = """
CREATE TABLE holds (
    run_id TEXT NOT NULL REFERENCES runs (run_id),
    annotation TEXT NOT NULL,
    calls INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    pico_usd INTEGER NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    start TEXT NOT NULL,
    lease_until REAL NOT NULL,
    PRIMARY KEY (run_id, annotation)
)
"""

# One tuple of statements a version; a file of version n gets those after the n-th.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        f"PRAGMA application_id = {APPLICATION_ID}",
        "CREATE TABLE runs (run_id TEXT PRIMARY KEY, started REAL NOT NULL)",
        _CALLS,
        # Covers the sums, so that they never read the answers.
        "CREATE INDEX calls_by_run ON calls"
        " (run_id, state, key, cached, prompt_tokens, completion_tokens, pico_usd, wall_s)",
        "CREATE INDEX calls_by_key ON calls (key, state, status)",
    ),
    (
        # An annotation may take several calls. Until now each took one, known by its key, and its
        # answer was kept as the annotation that it became.
        "ALTER TABLE calls ADD COLUMN annotation TEXT NOT NULL DEFAULT ''",
        "UPDATE calls SET annotation = key",
        "UPDATE calls SET payload = json_object('text', json_extract(payload, '$.raw'))"
        " WHERE payload IS NOT NULL",
        "ALTER TABLE runs ADD COLUMN sweep TEXT",
        "CREATE INDEX runs_by_sweep ON runs (sweep)",
        *_TOTALS,
        _FIRST_TOTALS,
        *_triggers("1"),
        _HOLDS,
        "DROP INDEX calls_by_run",
        "CREATE INDEX calls_by_run ON calls (run_id, annotation, state, key, cached,"
        " prompt_tokens, completion_tokens, pico_usd, wall_s, round)",
    ),
    # What shaped the requests of a run, so that its answers can be replayed elsewhere.
    ("ALTER TABLE runs ADD COLUMN teacher TEXT",),
    tuple(  # the process that works on a run, also while it asks nothing
        f"ALTER TABLE runs ADD COLUMN {column}"
        for column in ("host TEXT", "pid INTEGER", "start TEXT", "opened_at REAL")
    ),
    (
        # An annotation may be asked for as a batch of texts, or for none (an analysis).
        "ALTER TABLE calls ADD COLUMN texts INTEGER NOT NULL DEFAULT 1",
        *(f"DROP TRIGGER {name}" for name in _TRIGGER_NAMES),
        *_triggers("{row}.texts"),
        "DROP INDEX calls_by_run",
        "CREATE INDEX calls_by_run ON calls (run_id, annotation, state, key, cached,"
        " prompt_tokens, completion_tokens, pico_usd, wall_s, round, texts)",
    ),
)


def open_database(path: Path) -> sqlite3.Connection:
    """Open the store's file, making or migrating it where needed.

    The file has mode 0600; its folder is made with mode 0700 if it is missing, and otherwise left
    as it is.

    Raises:
        ConfigError: The file is no store, is of a newer version, cannot be opened, or lies on a
            network file system.
    """
    refuse_network(path)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The mode is set before anything is written; SQLite gives -wal and -shm the same.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise ConfigError(
            f"the store {path} cannot be written ({error.strerror}); set paths.store to a file "
            "of your own"
        ) from error
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
    connection.row_factory = sqlite3.Row
    try:
        _refuse_foreign(connection, path)
        _write_ahead(connection, path)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        _migrate(connection)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise ConfigError(
            f"the store {path} cannot be used ({error}); set paths.store to another file"
        ) from error
    except ConfigError:
        connection.close()
        raise
    return connection


def open_readonly(path: Path, *, briefly: bool = False) -> sqlite3.Connection:
    """Open a store for looking at it: it is neither made nor migrated.

    Args:
        path: The SQLite file.
        briefly: For a look of a moment. SQLite then puts no files of its own beside a store that
            no process has open; what a run writes meanwhile is not seen.

    Raises:
        ConfigError: There is none, or it cannot be read by this version.
    """
    if not path.is_file():
        raise ConfigError(
            f"there is no store {path}; name one with --store FILE (or teacher.store=FILE), or set "
            "ELAD_EXP_CACHE to the folder that the runs had as their cache"
        )
    alone = briefly and not Path(f"{path}-wal").exists()
    address = f"{path.absolute().as_uri()}?{'immutable=1' if alone else 'mode=ro'}"
    try:
        connection = sqlite3.connect(address, uri=True, timeout=BUSY_S, isolation_level=None)
        connection.row_factory = sqlite3.Row
        _refuse_foreign(connection, path)
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise ConfigError(f"the store {path} cannot be read ({error})") from error
    if version < len(MIGRATIONS):
        raise ConfigError(
            f"the store {path} has schema version {version}, older than {len(MIGRATIONS)}; the "
            "next run that uses it brings it up to date, after which older versions of elad_exp "
            "refuse it"
        )
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection, *, durable: bool = True) -> Iterator[None]:
    """One write transaction, locked from its beginning; rolled back if the body raises.

    Args:
        connection: Of `open_database`.
        durable: Wait until the commit is on the disk. Otherwise it outlives this process all the
            same, and a loss of power only if a durable one came after it.
    """
    if not durable:
        connection.execute("PRAGMA synchronous = NORMAL")
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if not durable:
            connection.execute("PRAGMA synchronous = FULL")


def _refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise ConfigError(
            f"the store {path} has schema version {version}, this elad_exp knows up to "
            f"{len(MIGRATIONS)}; upgrade elad_exp or set paths.store to another file"
        )
    # In this order, because another process may be making the tables just now.
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    mark = connection.execute("PRAGMA application_id").fetchone()[0]
    if tables and mark != APPLICATION_ID:
        raise ConfigError(
            f"{path} is a database of another program; set paths.store to another file"
        )


def _write_ahead(connection: sqlite3.Connection, path: Path) -> None:
    # Changing the journal mode does not wait for other connections as other statements do.
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
            continue
        if mode != "wal":
            raise ConfigError(
                f"the file system of the store {path} has no write-ahead log; set paths.store to "
                "a file on a local disk"
            )
        return


def _migrate(connection: sqlite3.Connection) -> None:
    with transaction(connection):
        # Read again under the lock: another process may have just done it.
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        if version < len(MIGRATIONS):
            connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
