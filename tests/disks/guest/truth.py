"""What the raw images of the layouts guest hold: markers in plain sight, and markers under dm-crypt, read with its key."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import XTS

SECTOR = 512


def starts(image: Path) -> list[int]:
    """Byte offsets where a device of the guest may begin on this disk: the whole disk and each partition."""
    done = subprocess.run(["sfdisk", "-J", image], capture_output=True, text=True, check=False)
    table = json.loads(done.stdout)["partitiontable"]["partitions"] if done.returncode == 0 else []
    return [0, *(part["start"] * SECTOR for part in table)]


def under_crypt(image: Path, table: str, nonce: str) -> set[str]:
    """Layouts whose marker appears when the image is read as a crypt target would read it, from each possible start.

    table: a line of `dmsetup table --showkeys`: start, length, `crypt`, cipher, key, iv offset, device, first sector.
    """
    _, length, kind, cipher, key, iv_offset, _, first = table.split()[:8]
    assert (kind, cipher) == ("crypt", "aes-xts-plain64"), table
    found: set[str] = set()
    with image.open("rb") as raw:
        end = image.stat().st_size
        for start in starts(image):
            begin = start + int(first) * SECTOR
            stop = min(end, begin + int(length) * SECTOR)
            plain = b"".join(
                _opened(bytes.fromhex(key), int(iv_offset) + (at - begin) // SECTOR, os.pread(raw.fileno(), SECTOR, at))
                for at in _written(raw.fileno(), begin, stop)
            )
            found |= {name.decode() for name in re.findall(rb"WBMARK:([a-z0-9_]+):" + nonce.encode(), plain)}
    return found


def _opened(key: bytes, sector: int, cipher_text: bytes) -> bytes:
    return Cipher(AES(key), XTS(sector.to_bytes(16, "little"))).decryptor().update(cipher_text)


def _written(file: int, begin: int, stop: int) -> list[int]:
    """Sectors of the image's written parts between two offsets."""
    sectors: list[int] = []
    at = begin
    while at < stop:
        try:
            at = os.lseek(file, at, os.SEEK_DATA)
        except OSError:  # nothing but holes from here on
            break
        hole = os.lseek(file, at, os.SEEK_HOLE)
        at -= (at - begin) % SECTOR
        sectors += range(at, min(hole, stop), SECTOR)
        at = hole
    return sectors
