"""What the hand reads of a postgres: everything that a move must bring along and an undo must not lose, asked of a real server."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
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


def told(address: str, script: str) -> None:
    host, port = address.split(":")
    words = [
        str(Path(str(programs())) / "psql"),
        "-XqAt",
        "-v",
        "ON_ERROR_STOP=1",
        "-h",
        host,
        "-p",
        port,
        "-U",
        "wb",
        "postgres",
    ]
    subprocess.run(words, input=script.encode(), check=True, timeout=60)


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
    assert (last["tables"], last["rows"], last["roles"]) == (1, 2, 5)
    told(address, "ALTER ROLE app PASSWORD 'another'")  # postgres salts: the same word is another secret
    assert hand.digest_service("db", "postgres") != last


def test_no_password_leaves_the_server_in_any_form(address: str, said: list[str]) -> None:
    told(address, f"CREATE ROLE secretive LOGIN PASSWORD '{SECRET}'")
    held = hand.postgres_holds(CONTAINER)
    everything = "".join(said) + hand.dumped(held)
    assert "SCRAM" not in everything and SECRET not in everything and "secretive" not in everything


def test_a_user_who_may_not_read_passwords_is_still_answered(address: str, said: list[str]) -> None:
    told(address, "CREATE ROLE plain LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO plain")
    plain = {**CONTAINER, "Config": {"Env": ["POSTGRES_USER=plain", "POSTGRES_DB=postgres"]}}
    assert hand.postgres_holds(plain)["roles"]
