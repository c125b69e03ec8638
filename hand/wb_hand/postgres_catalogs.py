"""The catalogs of a postgres: every definition, comment, owner, right and large object there is, whatever the server's version calls them.

A catalog that nobody wrote about here is read whole. Left out is only what the server changes by itself and what goes with a session.
"""

from __future__ import annotations

from collections.abc import Mapping

# Statistics; passwords, which are asked for by themselves; who depends on whom, which follows from the definitions.
SKIPPED = ("pg_statistic", "pg_statistic_ext_data", "pg_authid", "pg_shdepend")
OWN_CHANGES: Mapping[str, str] = {
    "pg_class": "relfilenode,relpages,reltuples,relallvisible,relallfrozen,relfrozenxid,relminmxid,"
    "relhasindex,relhasrules,relhastriggers,relhassubclass",
    "pg_database": "datfrozenxid,datminmxid,dathasloginevt",
    "pg_index": "indcheckxmin",
    "pg_subscription": "subskiplsn",
    "pg_subscription_rel": "srsublsn",
}
TABLES = "(SELECT oid FROM pg_catalog.pg_class WHERE relpersistence = 't')"
SCHEMAS = "(SELECT oid FROM pg_catalog.pg_namespace WHERE nspname ~ '^pg_(toast_)?temp_')"
LASTING: Mapping[str, str] = {
    "pg_class": "relpersistence <> 't'",
    "pg_depend": "deptype = 'e'",  # what belongs to an extension: the one thing that is told nowhere else
    **{
        f"pg_{name}": f"{column} NOT IN {TABLES}"
        for name, column in {
            "attribute": "attrelid",
            "attrdef": "adrelid",
            "description": "objoid",
            "index": "indrelid",
            "inherits": "inhrelid",
            "rewrite": "ev_class",
            "sequence": "seqrelid",
            "trigger": "tgrelid",
        }.items()
    },
    **{
        f"pg_{name}": f"{column} NOT IN {SCHEMAS}"
        for name, column in {
            "constraint": "connamespace",
            "namespace": "oid",
            "proc": "pronamespace",
            "statistic_ext": "stxnamespace",
            "type": "typnamespace",
        }.items()
    },
}


def catalog_source(name: str) -> str | None:
    """The SELECT that gives the md5 of each row that counts, as wb_h; None for a catalog that is not read."""
    if name in SKIPPED:
        return None
    own = OWN_CHANGES.get(name)
    row = f"(to_jsonb(wb_row) - '{{{own}}}'::text[])" if own else "wb_row"
    return f"SELECT md5({row}::text) AS wb_h FROM pg_catalog.{name} AS wb_row WHERE {LASTING.get(name, 'true')}"
