"""What a postgres holds: rows, sequences, and who may do what. Secrets are digested by the server itself and never leave it."""

from __future__ import annotations

import os

from .docker import docker, setting
from .place import at
from .refused import Json, Refused

SETTINGS = """SET TimeZone='UTC'; SET DateStyle='ISO, YMD'; SET IntervalStyle='postgres';
SET bytea_output='hex'; SET extra_float_digits=1;"""
TABLES = """SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_toast' ORDER BY 1;"""
SEQUENCES = """SELECT quote_ident(schemaname) || '.' || quote_ident(sequencename) || ' ' || coalesce(last_value::text, '')
FROM pg_sequences ORDER BY 1;"""
CLUSTER = """SELECT system_identifier FROM pg_control_system();
SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1;"""

# Whole rows of the catalogs, each as its md5: a role's row has its password's hash in it where the user may read that.
AUTH = "SELECT CASE WHEN has_table_privilege('pg_catalog.pg_authid', 'SELECT') THEN 'pg_authid' ELSE 'pg_roles' END;"
ROLES = "SELECT md5(r::text) FROM pg_catalog.{auth} r WHERE rolname !~ '^pg_' ORDER BY 1;"
RIGHTS = """SELECT md5(m::text) FROM pg_auth_members m ORDER BY 1;
SELECT md5(s::text) FROM pg_db_role_setting s ORDER BY 1;
SELECT md5((datname, datdba, datacl, datconnlimit, datallowconn)::text) FROM pg_database ORDER BY 1;
SELECT md5((spcname, spcowner, spcacl)::text) FROM pg_tablespace ORDER BY 1;"""
GRANTS = """SELECT md5((nspname, nspowner, nspacl)::text) FROM pg_namespace WHERE nspname !~ '^pg_(toast|temp)' ORDER BY 1;
SELECT md5((c.oid, relowner, relacl, relrowsecurity, relforcerowsecurity)::text) FROM pg_class c
JOIN pg_namespace n ON n.oid = relnamespace WHERE relpersistence <> 't' AND nspname !~ '^pg_toast' ORDER BY 1;
SELECT md5((attrelid, attnum, attacl)::text) FROM pg_attribute WHERE attacl IS NOT NULL ORDER BY 1;
SELECT md5((oid, proowner, prosecdef, proacl)::text) FROM pg_proc
WHERE proacl IS NOT NULL OR pronamespace <> 'pg_catalog'::regnamespace ORDER BY 1;
SELECT md5((oid, typowner, typacl)::text) FROM pg_type WHERE typacl IS NOT NULL ORDER BY 1;
SELECT md5((lanname, lanowner, lanacl)::text) FROM pg_language ORDER BY 1;
SELECT md5(d::text) FROM pg_default_acl d ORDER BY 1;
SELECT md5(p::text) FROM pg_policy p ORDER BY 1;"""


def psql(container: Json, database: str, script: str, seconds: float = 3600) -> list[str]:
    user = setting(container, "POSTGRES_USER") or "postgres"
    argv = ["exec", "-i", container["Id"], "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-U", user, "-d", database, "-f", "-"]
    script = f"{SETTINGS} BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;\n{script}\nCOMMIT;\n"
    return docker(*argv, stdin=script.encode(), seconds=seconds).text.splitlines()


def checkpoint(container: Json) -> None:
    """Everything that was written so far is in the files. Raises: Refused, for a user who may not ask for it."""
    psql(container, setting(container, "POSTGRES_DB") or "postgres", "CHECKPOINT;", 600)


def postgres_holds(container: Json) -> Json:
    """System identifier, roles and their rights, and per database every table's count and order-free hash of rows, sequences, grants."""
    first = setting(container, "POSTGRES_DB") or "postgres"
    system, *databases = psql(container, first, CLUSTER, 60)
    roles = psql(container, first, ROLES.format(auth=psql(container, first, AUTH, 60)[0]), 60)
    held: Json = {"system_identifier": system, "databases": {}, "roles": roles, "rights": psql(container, first, RIGHTS, 60)}
    rows = tables = 0
    for database in databases[:200]:
        names = psql(container, database, TABLES, 60)
        ask = []
        for number, name in enumerate(names):
            sums = (f"coalesce(sum(('x' || substr(wb_h, {start}, 15))::bit(60)::bigint), 0)" for start in (1, 16))
            part = f"SELECT md5(wb_row::text) AS wb_h FROM ONLY {name} AS wb_row"
            ask.append(f"SELECT {number}, count(*), {', '.join(sums)} FROM ({part}) AS wb_all;")
        answers = psql(container, database, "\n".join(ask)) if ask else []
        if len(answers) != len(names):
            raise Refused("tool-failed", "read postgres", f"{len(answers)} answers for {len(names)} tables")
        content = {name: answer.split("|")[1:] for name, answer in zip(names, answers)}  # noqa: B905 (3.9; equal lengths above)
        sequences, grants = (psql(container, database, script, 60) for script in (SEQUENCES, GRANTS))
        held["databases"][database] = {"tables": content, "sequences": sequences, "grants": grants}
        rows += sum(int(one[0]) for one in content.values())
        tables += len(content)
    held["summary"] = {
        "engine": "postgres",
        "system_identifier": system,
        "databases": len(databases),
        "tables": tables,
        "rows": rows,
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
