"""Prevent core dumps, and reads of a process's memory by other processes of the same user."""

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4


def forbid_core_dumps() -> None:
    """Let this process leave no core dump from now on, and on Linux be traced by nobody but root.

    A crash handler to which the kernel pipes dumps is not bound by the limit on their size; it gets none of a process
    that is not dumpable. Children inherit the limit, and are dumpable again once they run another program.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "cannot make the process undumpable")
