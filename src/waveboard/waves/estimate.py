"""How long a move keeps its services down, for the plan a person reads. An estimate, never a limit.

Downtime is the second pass plus the proof that both trees are equal: everything is read twice and hashed.
"""

READ_BYTES_S = 150 * 10**6  # both sides, hashed, on a modest virtual disk
FIXED_S = 20  # stop, switch and start of the services


def move_seconds(size_bytes: int) -> int:
    """Seconds of downtime for moving so many bytes."""
    return FIXED_S + round(2 * size_bytes / READ_BYTES_S)
