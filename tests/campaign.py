"""The common command line of all campaigns, and output that is flushed at once."""

import argparse
import sys


def say(text: str) -> None:
    """Print a line at once, and append it to a file."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Parse the number of runs and the first seed."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("runs", type=int)
    parser.add_argument("seed", type=int)
    return parser
