"""Stop a process at its present instruction, and wait until it has stopped."""

import os
import signal
import time
from pathlib import Path


def freeze(pid: int) -> None:
    """Send SIGSTOP and wait until the process has stopped."""
    os.kill(pid, signal.SIGSTOP)
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        time.sleep(0.005)
