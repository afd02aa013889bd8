"""Make the C library return freed memory to the system."""

import ctypes

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGE_BYTES = 128 * 1024
"""glibc's own first value for both; each large block that is freed doubles what it keeps, up to 64 MiB."""


def give_back_freed_memory() -> bool:
    """Return large freed blocks, such as a consumer's fetches, to the operating system.

    Returns False where the C library has no such setting.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all(mallopt(what, _LARGE_BYTES) for what in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD))
