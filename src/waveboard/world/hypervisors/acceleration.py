"""Whether this machine's KVM really runs code: a guest of a page answers. Starts nothing but that question.

/dev/kvm may be there and not work, and it may work for old instructions only: a KVM that is itself virtualised can run real mode and stop
at the first newer instruction of a kernel. So the guest goes where a kernel goes (protected mode, paging, long mode), executes one
instruction of BMI2 where the processor claims it, and only then asks QEMU's exit device to end with 33.
"""

import os
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

BINARY = "qemu-system-x86_64"
NATIVE = ("-accel", "kvm", "-cpu", "host")
# QEMU 7.2 may spoil flags after an emulated cmpxchg16b, and five-level page tables only cost time in emulation: both are hidden
EMULATED = ("-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max,-cx16,-la57")
PROBE_S = 10
ENDED = 33  # what isa-debug-exit makes of the 16 the guest writes: 2 * 16 + 1

# The last 256 bytes below 4 GiB, seen by the guest at 0xfff00 too; every address below is written out in the code.
_TEXT = (
    "fa"  # cli
    "2e660f0116a8ff"  # lgdt cs:[0xffa8]
    "0f20c00c010f22c0"  # cr0 |= protected mode
    "66ea18ff0f000800"  # jump to the 32-bit code at 0xfff18
    "b8100000008ed8"  # ds = flat
    "c7050010000003200000c7050020000003300000c7050030000083000000"  # tables at 0x1000..0x3000: the first 2 MiB onto themselves
    "b8001000000f22d8"  # cr3 = 0x1000
    "b8200000000f22e0"  # cr4 = PAE
    "b9800000c0b80001000031d20f30"  # EFER = long mode
    "0f20c00d000000800f22c0"  # cr0 |= paging
    "ea6dff0f001800"  # jump to the 64-bit code at 0xfff6d
    "b80700000031c90fa2f7c3000100007405"  # cpuid leaf 7: without BMI2, over the next instruction
    "c4e2f9f7c0"  # shlx rax, rax, rax
    "b010e6f4f4"  # out 0xf4, 16; hlt
)
_TABLE = "0000000000000000ffff0000009acf00ffff00000092cf00ffff0000009aaf001f0088ff0f00"  # four descriptors, then their limit and address
_RESET = "e90dff"  # at 0xfff0, where a processor begins: jump to the top


def firmware() -> bytes:
    """The guest: 64 KiB of firmware."""
    text = bytes.fromhex(_TEXT)
    text += bytes(-len(text) % 8) + bytes.fromhex(_TABLE)
    return bytes(65536 - 256) + text.ljust(240, b"\0") + bytes.fromhex(_RESET).ljust(16, b"\0")


def runs(accelerator: tuple[str, ...]) -> bool:
    """Whether the guest ends by itself under these options of QEMU."""
    with TemporaryDirectory(prefix="waveboard-") as scratch:
        guest = Path(scratch, "guest")
        guest.write_bytes(firmware())
        argv = [BINARY, "-M", "pc", *accelerator, "-m", "16", "-nodefaults", "-display", "none", "-bios", str(guest)]
        with suppress(subprocess.TimeoutExpired, OSError):
            done = subprocess.run(
                [*argv, "-device", "isa-debug-exit,iobase=0xf4,iosize=1"], capture_output=True, timeout=PROBE_S, check=False
            )
            return done.returncode == ENDED
    return False


@cache
def acceleration() -> tuple[str, ...]:
    """KVM only where the guest really ended under it; else the processor is emulated."""
    return NATIVE if os.access("/dev/kvm", os.R_OK | os.W_OK) and runs(NATIVE) else EMULATED
