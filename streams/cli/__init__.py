"""The command line, `evenkeel ...`: its entry, which is light, and imports all else once a signal ends it quietly."""

import sys

from streams.cli.stop_signals import INTERRUPTED, end_at_once


def main() -> None:
    """Run the command that was typed, and end the process with its exit code."""
    end_at_once()
    from streams.cli.commands import run_command  # noqa: PLC0415 - takes its time, and Ctrl-C may come meanwhile

    try:
        run_command()
    except KeyboardInterrupt:  # while the command's end was put into words
        sys.exit(INTERRUPTED)
    finally:
        end_at_once()
