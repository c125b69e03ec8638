"""What a complaint says and the way out it names: a person must be able to act on it without reading this code."""

import pytest

from tests.contracts.kit_contracts import SOUND, judge, spoilt

WORDS = [
    ("packs.yaml", "mode: report", "mod: report", "the key `mod` means nothing here", "did you mean `mode`?"),
    ("waveboard.yaml", "  hosts:\n    db-1: {", "  hosts:\n    db-1: {zzz: 1, ", "the key `zzz` means nothing here", "the keys here are: address, "),
    ("services.yaml", "        engine:", "        engin:", "the key `engin` means nothing here", "did you mean `engine`?"),
    ("guard.yaml", "  docker_images_warn_gb: 15\n", "", "the key `docker_images_warn_gb` is missing", "add `docker_images_warn_gb:`"),
    ("guard.yaml", "docker_images_warn_gb: 15", "docker_images_warn_gb: null", "found nothing (null)", "correct the value"),
    ("guard.yaml", "docker_images_warn_gb: 15", "docker_images_warn_gb: {a: 1}", "found a mapping", "correct the value"),
    ("guard.yaml", "docker_images_warn_gb: 15", "docker_images_warn_gb: [1]", "found a list", "correct the value"),
    ("guard.yaml", "docker_images_warn_gb: 15", "docker_images_warn_gb: true", "found the truth value true", "correct the value"),
    ("guard.yaml", "docker_images_warn_gb: 15", "docker_images_warn_gb: many", "found the text 'many'", "correct the value"),
    ("guard.yaml", "default_policy: report", "default_policy: on", "this should be 'report' or 'enforce'", "write one of the words it names"),
    ("hosts.yaml", "      host: 10.0.0.2", "      host: -x", "this should match ^", "correct the value"),
    ("windows.yaml", "2026-02-26T22:00:00Z", "tonight", "an instant is written like 2026-02-26T22:00:00Z", "correct the value"),
    ("waveboard.yaml", "hosts: hosts.yaml", "hosts: ../h", "this leads out of the workspace through `..`", "correct the value"),
    ("packs.yaml", "gates: [D235, D236]", "gates: []", "this should have at least 1 item; found a list", "correct the value"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "message", "fix"), WORDS)
def test_it_says_what_is_wrong_and_the_way_out(file: str, old: str, new: str, message: str, fix: str) -> None:
    errors = judge(spoilt(file, old, new)).errors
    assert any(message in c.message and c.fix.startswith(fix) for c in errors), [(c.message, c.fix) for c in errors]


def test_a_file_of_another_shape_is_told_in_words_of_the_file() -> None:
    (error,) = judge({**SOUND, "guard.yaml": "- 1\n"}).errors[:1]
    assert error.message == "this should be a mapping; found a list"


def test_a_long_value_is_not_repeated_whole() -> None:
    errors = judge(spoilt("guard.yaml", "docker_images_warn_gb: 15", f"docker_images_warn_gb: {'x' * 5000}")).errors
    assert len(errors) == 1 and len(errors[0].message) < 200


def test_a_file_that_is_wrong_throughout_is_not_told_for_ever() -> None:
    many = "".join(f"  k{n}: 1\n" for n in range(300))
    errors = judge({**SOUND, "packs.yaml": f"packs:\n{many}"}).errors
    assert len([c for c in errors if c.place.file == "packs.yaml"]) == 201
    assert [c.message for c in errors if c.code == "too-many"] == ["100 more mistakes in this file are not shown"]
