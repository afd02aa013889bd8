"""Replace this process by a program that ends with its parent: `python tied_process.py PARENT_PID PROGRAM ARGUMENT...`.

Runs alone, before the program takes the process over, so it imports nothing of ours.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent_pid: int, argv: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it died before the line above
        sys.exit(1)
    os.execvp(argv[0], argv)  # noqa: S606 - the program is the devnet's own


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
