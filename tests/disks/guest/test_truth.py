"""The search for markers under dm-crypt: it finds what the key opens, on the disk that has it, and nothing else."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import XTS

from tests.disks.guest.truth import SECTOR, under_crypt

KEY = bytes(range(64))
FIRST = 8  # sectors of the device before the crypt target's first
TABLE = f"0 56 crypt aes-xts-plain64 {KEY.hex()} 0 8:4 {FIRST} 1 allow_discards"
NONCE = "0123456789abcdef"


def closed(text: bytes, sector: int) -> bytes:
    return Cipher(AES(KEY), XTS(sector.to_bytes(16, "little"))).encryptor().update(text.ljust(SECTOR, b"\0"))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    with path.open("wb") as out:
        out.truncate(64 * SECTOR)
        out.seek((FIRST + 5) * SECTOR)
        out.write(closed(f"WBMARK:crypt_on_boot:{NONCE}\n".encode(), 5))
    return path


def test_a_marker_is_found_with_the_key(image: Path) -> None:
    assert under_crypt(image, TABLE, NONCE) == {"crypt_on_boot"}


@pytest.mark.parametrize(
    "table",
    [
        TABLE.replace(KEY.hex(), KEY[::-1].hex()),
        TABLE.replace(f" {FIRST} ", f" {FIRST + 1} "),
        TABLE.replace("0 56", "0 5"),
    ],
    ids=["another key", "another beginning", "a shorter device"],
)
def test_another_target_finds_nothing(image: Path, table: str) -> None:
    assert under_crypt(image, table, NONCE) == set()


def test_another_run_s_marker_and_another_cipher_do_not_count(image: Path) -> None:
    assert under_crypt(image, TABLE, "f" * 16) == set()
    with pytest.raises(AssertionError):
        under_crypt(image, TABLE.replace("aes-xts-plain64", "aes-cbc-essiv:sha256"), NONCE)
