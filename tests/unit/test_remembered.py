"""Values derived from a shard's entries are cached until one of these entries is written, also by an undone write."""

import pytest
from intents import block

from pipeline import keys
from pipeline.messages.entries import Halted, Pause
from pipeline.state.tables import Tables

FAMILIES = keys.pause.family, keys.HALTED


def _reasons(tables: Tables) -> tuple[str, ...]:
    return tuple(found.reason for key in FAMILIES for found in _of(tables, key))


def _of(tables: Tables, family: str) -> list[Pause | Halted]:
    return [value for key, value in sorted(tables.entries().items()) if keys.family(key) == family]


def _paused(reason: str) -> Pause:
    return Pause(reason=reason, by="me")


@pytest.fixture
def tables() -> Tables:
    made = Tables()
    made.begin(block(1))
    return made


@pytest.fixture
def asked(tables):
    """Request the reasons, and return how often they were computed."""
    collected = []

    def ask() -> tuple[tuple[str, ...], int]:
        found = tables.of_families("reasons", FAMILIES, lambda: collected.append(1) or _reasons(tables))
        return found, len(collected)

    return ask


def test_it_is_made_again_only_after_a_write_to_one_of_its_families(tables, asked):
    assert asked() == ((), 1)
    tables.put(keys.resumed("book/a"), None)
    tables.begin(block(2))
    assert asked() == ((), 1)
    tables.put(keys.pause("all"), _paused("flood"))
    assert asked() == asked() == (("flood",), 2)
    tables.put(keys.HALTED, Halted(reason="fire"))
    assert asked() == (("flood", "fire"), 3)


def test_a_write_that_is_taken_back_counts(tables, asked):
    tables.put(keys.pause("all"), _paused("flood"))
    assert asked() == (("flood",), 1)
    savepoint = tables.savepoint()
    tables.put(keys.pause("all"), None)
    assert asked() == ((), 2)
    tables.undo(savepoint)
    assert asked() == (("flood",), 3)


def test_what_follows_from_one_family_does_not_mind_another(tables):
    made = []
    for _ in range(2):
        tables.of_family("of pauses", keys.pause.family, lambda: made.append(1))
        tables.put(keys.HALTED, Halted(reason="fire"))
    assert len(made) == 1
