"""The operator's door."""


def main() -> None:
    """Entry point."""
