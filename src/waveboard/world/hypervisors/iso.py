"""A NoCloud seed as an ISO 9660 image (label `cidata`, Joliet and Rock Ridge), as cloud-init's documentation asks for it."""

from collections.abc import Mapping
from io import BytesIO

import pycdlib


def image(files: Mapping[str, bytes]) -> bytes:
    """The whole image; `user-data`, `meta-data` and `network-config` are what cloud-init reads."""
    made, out = pycdlib.PyCdlib(), BytesIO()
    made.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident="cidata")
    for number, (name, raw) in enumerate(sorted(files.items())):
        made.add_fp(BytesIO(raw), len(raw), f"/F{number}.;1", rr_name=name, joliet_path=f"/{name}")
    made.write_fp(out)
    made.close()
    return out.getvalue()
