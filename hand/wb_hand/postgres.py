"""What a postgres holds: rows, large objects, sequences, definitions, settings, and who may do what.

Everything is digested by the server itself: one line a table comes back, and no secret in any form. Any server from 12 on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from .docker import docker, setting
from .place import at
from .postgres_catalogs import catalog_source
from .refused import Json, Refused

SETTINGS = """SET TimeZone='UTC'; SET DateStyle='ISO, YMD'; SET IntervalStyle='postgres';
SET bytea_output='hex'; SET extra_float_digits=1;"""
# What there is to read, as "kind name": catalogs that all databases share are read in one of them only.
LISTED = """SELECT 'table ' || quote_ident(n.nspname) || '.' || quote_ident(c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_toast' ORDER BY 1;
SELECT 'sequence ' || quote_ident(n.nspname) || '.' || quote_ident(c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'S' AND c.relpersistence <> 't'
AND CASE WHEN c.relkind = 'S' THEN has_sequence_privilege(c.oid, 'SELECT') END ORDER BY 1;
SELECT CASE WHEN relisshared THEN 'shared ' ELSE 'catalog ' END || relname
FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r' AND has_table_privilege(oid, 'SELECT') ORDER BY 1;"""
CLUSTER = """SELECT system_identifier FROM pg_control_system();
SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1;"""

# Whole rows of the catalogs, each as its md5: a role's row has its password's hash in it where the user may read that.
AUTH = "SELECT CASE WHEN has_table_privilege('pg_catalog.pg_authid', 'SELECT') THEN 'pg_authid' ELSE 'pg_roles' END;"
ROLES = "SELECT md5(r::text) FROM pg_catalog.{auth} r WHERE rolname !~ '^pg_' ORDER BY 1;"
# What lies beside the tables in the directory. Positions in the log are left out: they move by themselves.
BESIDE = """SELECT md5((slot_name, plugin, slot_type, database)::text) FROM pg_replication_slots WHERE NOT temporary ORDER BY 1;
SELECT md5((gid, owner, database)::text) FROM pg_prepared_xacts ORDER BY 1;"""
MAY_READ_FILES = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user;"
FILES = """SELECT md5((name, setting, sourcefile)::text) FROM pg_file_settings ORDER BY seqno;
SELECT md5(pg_read_binary_file(current_setting(one), 0, 10485760, true)) FROM unnest(ARRAY['hba_file', 'ident_file']) AS one;"""
MOST_DATABASES = 200
SUMS = ", ".join(f"coalesce(sum(('x' || substr(wb_h, {start}, 15))::bit(60)::bigint), 0)" for start in (1, 16))


def psql(container: Json, database: str, script: str, seconds: float = 3600) -> list[str]:
    user = setting(container, "POSTGRES_USER") or "postgres"
    argv = ["exec", "-i", container["Id"], "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-U", user, "-d", database, "-f", "-"]
    script = f"{SETTINGS} BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;\n{script}\nCOMMIT;\n"
    return docker(*argv, stdin=script.encode(), seconds=seconds).text.splitlines()


def checkpoint(container: Json) -> None:
    """Everything that was written so far is in the files. Raises: Refused, for a user who may not ask for it."""
    psql(container, setting(container, "POSTGRES_DB") or "postgres", "CHECKPOINT;", 600)


def reading(kind: str, name: str) -> str | None:
    """The SELECT, without its first word, that tells one thing of `LISTED`: count and order-free hash of rows, or where a sequence is."""
    if kind == "sequence":
        return f"last_value, is_called FROM {name};"
    source = f"SELECT md5(wb_row::text) AS wb_h FROM ONLY {name} AS wb_row" if kind == "table" else catalog_source(name)
    return f"count(*), {SUMS} FROM ({source}) AS wb_all;" if source else None


def database_holds(
    container: Json, database: str, listed: list[str], kinds: tuple[str, ...]
) -> Mapping[str, dict[str, list[str]]]:
    """What one database tells of everything listed that is of these kinds: kind -> name -> answer."""
    found: dict[str, dict[str, list[str]]] = {kind: {} for kind in kinds}
    asked = [(kind, name, select) for kind, _, name in (one.partition(" ") for one in listed) if kind in found
             if (select := reading(kind, name))]  # fmt: skip
    script = "\n".join(f"SELECT {number}, {select}" for number, (_, _, select) in enumerate(asked))
    answers = psql(container, database, script) if asked else []
    if len(answers) != len(asked):
        raise Refused("tool-failed", "read postgres", f"{len(answers)} answers for {len(asked)} tables")
    for (kind, name, _), answer in zip(asked, answers):  # noqa: B905 (3.9; equal lengths above)
        found[kind][name] = answer.split("|")[1:]
    return found


def postgres_holds(container: Json) -> Json:
    """System identifier, roles, what all databases share, and per database tables, sequences and catalogs."""
    first = setting(container, "POSTGRES_DB") or "postgres"
    system, *databases = psql(container, first, CLUSTER, 60)
    if len(databases) > MOST_DATABASES:  # what is not compared is not proven
        because = f"it has {len(databases)} databases, and at most {MOST_DATABASES} are read"
        raise Refused("precondition", "say what this postgres holds", because, "move it by a dump of your own")
    roles = psql(container, first, ROLES.format(auth=psql(container, first, AUTH, 60)[0]), 60)
    files = FILES if psql(container, first, MAY_READ_FILES, 60) == ["t"] else ""
    shared = database_holds(container, first, psql(container, first, LISTED, 60), ("shared",))
    held: Json = {"system_identifier": system, "databases": {}, "roles": roles, **shared}
    held["beside"] = psql(container, first, BESIDE + files, 60)
    for database in databases:
        listed = psql(container, database, LISTED, 60)
        held["databases"][database] = database_holds(container, database, listed, ("table", "sequence", "catalog"))
    tables = [count for one in held["databases"].values() for count, *_ in one["table"].values()]
    held["summary"] = {
        "engine": "postgres",
        "system_identifier": system,
        "databases": len(databases),
        "tables": len(tables),
        "rows": sum(map(int, tables)),
        "roles": len(roles),
    }
    return held


def postgres_directory(tree: str) -> str | None:
    """Where PG_VERSION is: the tree itself or at most two levels below."""
    for pattern in ("", "*", "*/*"):
        parts = [tree] if not pattern else sorted(_below(tree, pattern.count("/") + 1))
        for one in parts:
            if os.path.isfile(at(f"{one}/PG_VERSION")) and os.path.isfile(at(f"{one}/global/pg_control")):
                return one
    return None


def _below(tree: str, levels: int) -> list[str]:
    found = [
        f"{tree}/{name}"
        for name in os.listdir(at(tree))
        if os.path.isdir(at(f"{tree}/{name}")) and not os.path.islink(at(f"{tree}/{name}"))
    ]
    return found if levels == 1 else [deep for one in found[:200] for deep in _below(one, levels - 1)]
