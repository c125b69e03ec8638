"""`python -m lab`: the same commands as `waveboard lab`."""

from lab.cli import lab

if __name__ == "__main__":
    lab(prog_name="lab")
