"""Make Python's garbage collector search for cycles less often in a worker, whose state has many objects and few cycles."""

import gc

_NEW_OBJECTS, _SECOND, _THIRD = 50_000, 20, 50
"""How many more objects a first search waits for, and how many searches of each generation the next one's waits for; Python's own are 700, 10 and 10."""


def collect_less_often() -> None:
    """Make the garbage collector wait for more new objects: a block that reports all books makes hundreds of thousands.

    By reference counts alone they are freed as soon as nobody has them; searching them again and again finds nothing.
    """
    gc.set_threshold(_NEW_OBJECTS, _SECOND, _THIRD)
