"""Record since when a shard's log is decided under the present rules, and what earlier rules left behind.

Whatever decisions go on from is kept in `rules/N` as it stood: the effects part, what decisions write into the chain part, and
what the sealed blocks overwrote of it. The rest of a shard follows from the chain and the log alone, under all rules.
"""

from pipeline import keys, rules
from pipeline.messages.entries import DecidedUnder
from pipeline.state.shard import Shard
from pipeline.units import Offset

_DECIDED_FAMILIES = keys.families(
    keys.effects,
    keys.plan,
    keys.intent,
    keys.dry_run,
    keys.path,
    keys.cost,
    keys.volatility,
    keys.departure,
    keys.warned,
)
_BOOK_QUARANTINE = keys.quarantine(keys.book(""))  # type: ignore[arg-type]


def is_decided(key: str) -> bool:
    """Return whether an entry results from decisions."""
    return keys.family(key) in _DECIDED_FAMILIES or key.startswith(_BOOK_QUARANTINE)


def note_rules(shard: Shard, offset: Offset) -> None:
    """Record in a shard that it decides by the present rules from this record on, if it did not before."""
    if shard.rules == rules.RULES:
        return
    tables = shard.tables
    decided = {key: value for key, value in sorted(tables.entries().items()) if is_decided(key)}
    overwritten = {
        str(number): {key: old for key, old in by_key.items() if is_decided(key)}
        for number, by_key in sorted(tables.overwritten().items())
    }
    entry = DecidedUnder(
        first_offset=offset,
        decided=decided,
        overwritten={number: olds for number, olds in overwritten.items() if olds},
    )
    tables.put(keys.rules(rules.RULES), entry)
    shard.rules = rules.RULES


def begin_at(shard: Shard, entry: DecidedUnder) -> None:
    """Give a shard that has reached the record at which its rules began the decisions that stood there; its own are dropped."""
    tables = shard.tables
    tables.forget(is_decided)
    for number, by_key in tables.overwritten().items():
        by_key.update(entry.overwritten.get(str(number), {}))
    tables.restore(entry.decided)
