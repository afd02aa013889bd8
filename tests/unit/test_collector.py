"""A worker's garbage collector does not run for the objects of one block, and still finds reference cycles."""

import gc
import weakref

import pytest

from streams.work.collector import collect_less_often


@pytest.fixture
def searches():
    """Count the searches that the collector begins."""
    before, begun = gc.get_threshold(), []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            begun.append(info["generation"])

    gc.callbacks.append(note)
    yield begun
    gc.callbacks.remove(note)
    gc.set_threshold(*before)


def made(count: int) -> list[list[int]]:
    return [[number] for number in range(count)]


def test_objects_that_stay_are_searched_seldom(searches):
    gc.set_threshold(700, 10, 10)
    kept = [made(40_000)]
    usual = len(searches)
    collect_less_often()
    gc.collect()
    searches.clear()
    kept.append(made(40_000))
    assert len(searches) <= 1
    assert usual > 40
    assert len(kept) == 2


class Cycle:
    def __init__(self) -> None:
        self.itself = self


def test_garbage_in_cycles_is_still_found(searches):
    collect_less_often()
    gone = weakref.ref(Cycle())
    kept = made(120_000)
    assert searches
    assert gone() is None, len(kept)
