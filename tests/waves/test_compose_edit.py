"""Line edits of compose files: one mount changes, every other byte stays."""

import pytest

from waveboard.model.errors import RefusedError
from waveboard.waves.compose_edit import applied, bind

FILE = """\
name: mint-data
services:
  postgres:
    image: mint/postgres:15
    environment:
      POSTGRES_PASSWORD: hidden
    volumes:
      - pgdata:/var/lib/postgresql/data  # rows
      - ./conf:/etc/pg:ro
  redis:
    image: mint/redis:7
    command: ["redis-server"]
  minio:
    image: mint/s3:1
    volumes:
    - "/opt/mint/minio-data:/data"
volumes:
  pgdata: {}
"""


def edited(text: str, service: str, data_path: str, source: str) -> str:
    lines = text.splitlines()
    after = applied(lines, bind("compose.yml", lines, service, data_path, source))
    return "\n".join(str(line) for line in after) + "\n"


def test_named_volume_becomes_bind_and_nothing_else_changes() -> None:
    after = edited(FILE, "postgres", "/var/lib/postgresql/data", "/mnt/data/pg")
    assert after == FILE.replace("- pgdata:/var/lib/postgresql/data  # rows", "- /mnt/data/pg:/var/lib/postgresql/data")


def test_bind_source_changes_in_a_list_that_is_not_indented() -> None:
    after = edited(FILE, "minio", "/data", "/mnt/data/minio")
    assert after == FILE.replace('- "/opt/mint/minio-data:/data"', "- /mnt/data/minio:/data")


def test_service_without_volumes_gets_a_block() -> None:
    after = edited(FILE, "redis", "/data", "/mnt/data/redis")
    assert after == FILE.replace("  redis:\n", "  redis:\n    volumes:\n      - /mnt/data/redis:/data\n")


def test_other_path_of_the_same_service_is_added_beside() -> None:
    after = edited(FILE, "postgres", "/wal", "/mnt/data/wal")
    assert after == FILE.replace("    volumes:\n      - pgdata", "    volumes:\n      - /mnt/data/wal:/wal\n      - pgdata")


def test_mode_is_kept() -> None:
    assert "- /mnt/data/conf:/etc/pg:ro\n" in edited(FILE, "postgres", "/etc/pg", "/mnt/data/conf")


def test_lines_that_may_hold_secrets_are_not_needed() -> None:
    lines = [None if "POSTGRES_PASSWORD" in line else line for line in FILE.splitlines()]
    edits = bind("compose.yml", lines, "postgres", "/var/lib/postgresql/data", "/mnt/data/pg")
    assert [e["line"] for e in edits] == [8]
    assert applied(lines, edits)[5] is None


def test_two_edits_of_one_file_follow_each_other() -> None:
    first = applied(FILE.splitlines(), bind("f", FILE.splitlines(), "redis", "/data", "/mnt/data/redis"))
    second = applied(first, bind("f", first, "minio", "/data", "/mnt/data/minio"))
    text = "\n".join(str(line) for line in second)
    assert "- /mnt/data/redis:/data" in text and "- /mnt/data/minio:/data" in text and len(second) == len(FILE.splitlines()) + 2


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("services:\n  a:\n    volumes: [x:/data]\n", "flow style"),
        ("services:\n  a:\n    volumes:\n      - type: bind\n        source: /x\n        target: /data\n", "long volume form"),
        ("services:\n  b:\n    image: x\n", "no plain service `a:`"),
        ("version: 3\n", "no plain `services:` block"),
    ],
)
def test_shapes_it_cannot_edit_safely_are_refused(text: str, because: str) -> None:
    with pytest.raises(RefusedError, match=because):
        edited(text, "a", "/data", "/mnt/x")


def test_a_deeper_key_of_the_same_name_is_not_the_services_own() -> None:
    text = "services:\n  a:\n    labels:\n      volumes:\n        - x:/data\n    image: y\n"
    assert "  a:\n    volumes:\n      - /mnt/x:/data\n    labels:" in edited(text, "a", "/data", "/mnt/x")
