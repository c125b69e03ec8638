"""What the hand reads of a postgres: everything that a move must bring along and an undo must not lose, asked of a real server."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.postgres import programs, server
from tests.hand.room import hand

SECRET = "a-secret-that-stays-in-the-server"
SCHEMA = """
CREATE ROLE app LOGIN; CREATE ROLE reports NOLOGIN; CREATE ROLE auditor NOLOGIN;
CREATE TABLE quotes (id int PRIMARY KEY, price int); INSERT INTO quotes VALUES (1, 10), (2, 20);
CREATE FUNCTION total() RETURNS bigint LANGUAGE sql AS 'SELECT sum(price) FROM quotes';
CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE VIEW dear AS SELECT id FROM quotes WHERE price > 15;
CREATE SEQUENCE orders; CREATE TYPE mood AS ENUM ('good');
"""
CHANGES = {
    "a role is made": "CREATE ROLE newcomer",
    "a password is set": f"ALTER ROLE app PASSWORD '{SECRET}'",
    "a password is changed": "ALTER ROLE app PASSWORD 'another'",
    "a role may log in": "ALTER ROLE reports LOGIN",
    "a role has a setting": "ALTER ROLE app SET work_mem = '8MB'",
    "a role is a member": "GRANT reports TO app",
    "a database is granted": "GRANT CREATE ON DATABASE postgres TO app",
    "a schema is granted": "GRANT CREATE ON SCHEMA public TO reports",
    "a table is granted": "GRANT SELECT ON quotes TO reports",
    "a column is granted": "GRANT UPDATE (price) ON quotes TO app",
    "a function is revoked": "REVOKE EXECUTE ON FUNCTION total() FROM PUBLIC",
    "a table has another owner": "ALTER TABLE quotes OWNER TO app",
    "defaults are granted": "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO auditor",
    "rows are guarded": "ALTER TABLE quotes ENABLE ROW LEVEL SECURITY",
    "a policy is made": "CREATE POLICY cheap ON quotes USING (price < 15)",
    "a policy says otherwise": "ALTER POLICY cheap ON quotes USING (price < 25)",
    "a large object is made": "SELECT lo_from_bytea(4711, 'scan')",
    "a large object is written to": "SELECT lo_put(4711, 2, 'u')",
    "a large object is granted": "GRANT SELECT ON LARGE OBJECT 4711 TO app",
    "a function does something else": "CREATE OR REPLACE FUNCTION total() RETURNS bigint LANGUAGE sql AS 'SELECT max(price) FROM quotes'",
    "a view shows something else": "CREATE OR REPLACE VIEW dear AS SELECT id FROM quotes WHERE price > 16",
    "a trigger is set": "CREATE TRIGGER careful BEFORE INSERT ON quotes FOR EACH ROW EXECUTE FUNCTION warn()",
    "a trigger is off": "ALTER TABLE quotes DISABLE TRIGGER careful",
    "a sequence is used": "SELECT nextval('orders')",
    "a sequence is set without being used": "SELECT setval('orders', 7, false)",
    "a sequence is set again": "SELECT setval('orders', 8, false)",
    "a sequence steps otherwise": "ALTER SEQUENCE orders INCREMENT 5",
    "a default is set": "ALTER TABLE quotes ALTER price SET DEFAULT 1",
    "a default is another": "ALTER TABLE quotes ALTER price SET DEFAULT 2",
    "a rule is checked": "ALTER TABLE quotes ADD CONSTRAINT sane CHECK (price > 0)",
    "an index is made": "CREATE INDEX by_price ON quotes (price)",
    "a type has a value more": "ALTER TYPE mood ADD VALUE 'bad'",
    "a comment is made": "COMMENT ON TABLE quotes IS 'what we asked for'",
    "an empty table is made": "CREATE TABLE later (id int)",
    "a table is to be kept tidy otherwise": "ALTER TABLE quotes SET (autovacuum_enabled = off)",
    "a database has a setting": "ALTER DATABASE postgres SET work_mem = '9MB'",
    "the server has a setting": "ALTER SYSTEM SET work_mem = '7MB'",
    "the server has another setting": "ALTER SYSTEM SET work_mem = '6MB'",
    "a slot keeps the log": "SELECT pg_create_physical_replication_slot('standby')",
    "a publication is made": "CREATE PUBLICATION news FOR TABLE quotes",
    "a database is made": "CREATE DATABASE other",
}
UNCHANGING = {
    "it tidies up": "VACUUM (FREEZE, ANALYZE)",
    "it writes a table anew": "VACUUM FULL quotes",
    "it builds its indexes anew": "REINDEX TABLE quotes",
    "it writes all down": "CHECKPOINT",
    "a session had things of its own": "CREATE TEMP TABLE t (id serial PRIMARY KEY, what text DEFAULT 'x' CHECK (what > ''));"
    "CREATE TEMP VIEW v AS SELECT 1; CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
}

Said = Callable[[str], str]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if programs() is None:
        pytest.skip("no PostgreSQL server program is installed (Debian package postgresql)")
    folder = tmp_path_factory.mktemp("postgres")
    for one in (folder, *list(folder.parents)[:3]):  # a process of several has a directory more
        one.chmod(0o755)
    with server(folder) as prefix:
        yield prefix.partition("@")[2].strip("/")


@pytest.fixture
def said(address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The hand's `docker exec` reaches the server; everything that came back from it."""
    answers: list[str] = []
    host, port = address.split(":")

    def docker(*argv: str, stdin: bytes = b"", **_: Any) -> Any:
        words = [str(Path(str(programs())) / "psql"), "-h", host, "-p", port, *argv[argv.index("psql") + 1 :]]
        done = subprocess.run(words, input=stdin, capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        answers.append(done.stdout.decode())
        return hand.Ran(0, done.stdout, done.stderr)

    monkeypatch.setattr(hand, "docker", docker)
    yield answers


CONTAINER = {"Id": "c1", "Config": {"Env": ["POSTGRES_USER=wb", "POSTGRES_DB=postgres"]}, "State": {"Running": True}}


def psql(address: str) -> list[str]:
    host, port = address.split(":")
    program = str(Path(str(programs())) / "psql")
    return [program, "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", host, "-p", port, "-U", "wb", "postgres"]


def told(address: str, script: str) -> None:
    subprocess.run(psql(address), input=script.encode(), check=True, timeout=60)


@contextmanager
def session(address: str) -> Iterator[Callable[[str], None]]:
    """One that stays connected: what it is given to run has run when the call returns."""
    with subprocess.Popen(psql(address), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdin is not None and one.stdout is not None

        def run(script: str) -> None:
            one.stdin.write(f"{script};\nSELECT 'done';\n")
            one.stdin.flush()
            assert any(line == "done\n" for line in one.stdout)

        yield run


def test_the_digest_sees_roles_and_what_they_may_do(address: str, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hand, "demand_container", lambda name: CONTAINER)
    told(address, SCHEMA)
    last = hand.digest_service("db", "postgres")
    assert hand.digest_service("db", "postgres") == last
    for what, script in CHANGES.items():
        told(address, script)
        now = hand.digest_service("db", "postgres")
        assert now["digest"] != last["digest"], what
        last = now
    assert (last["tables"], last["rows"], last["roles"], last["databases"]) == (2, 2, 5, 2)
    told(address, "ALTER ROLE app PASSWORD 'another'")  # postgres salts: the same word is another secret
    assert hand.digest_service("db", "postgres") != last


@pytest.mark.parametrize("what", UNCHANGING)
def test_what_the_server_and_its_sessions_do_by_themselves_does_not_count(
    address: str, said: list[str], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(hand, "demand_container", lambda name: CONTAINER)
    told(address, "CREATE TABLE IF NOT EXISTS rows (id int PRIMARY KEY); INSERT INTO rows VALUES (1) ON CONFLICT DO NOTHING")
    before = hand.digest_service("db", "postgres")
    with session(address) as run:
        run(UNCHANGING[what].replace("quotes", "rows"))
        assert hand.digest_service("db", "postgres") == before
    assert hand.digest_service("db", "postgres") == before


def test_no_password_leaves_the_server_in_any_form(address: str, said: list[str]) -> None:
    told(address, f"CREATE ROLE secretive LOGIN PASSWORD '{SECRET}'")
    held = hand.postgres_holds(CONTAINER)
    everything = "".join(said) + hand.dumped(held)
    assert "SCRAM" not in everything and SECRET not in everything and "secretive" not in everything


def test_a_user_who_may_not_read_passwords_is_still_answered(address: str, said: list[str]) -> None:
    told(address, "CREATE ROLE plain LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO plain")
    plain = {**CONTAINER, "Config": {"Env": ["POSTGRES_USER=plain", "POSTGRES_DB=postgres"]}}
    assert hand.postgres_holds(plain)["roles"]


def test_a_cluster_that_is_not_read_whole_is_refused(address: str, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hand, "demand_container", lambda name: CONTAINER)
    there = hand.digest_service("db", "postgres")["databases"]
    monkeypatch.setattr(hand, "MOST_DATABASES", there)
    told(address, "CREATE DATABASE another")
    with pytest.raises(hand.Refused, match=f"it has {there + 1} databases, and at most {there} are read"):
        hand.digest_service("db", "postgres")
