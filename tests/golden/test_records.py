"""A record of every type and version that was ever written is still readable."""

from typing import get_args

import pytest
from forms import EVENTS, OUTPUTS, golden_record, kinds, read_records

from pipeline.messages.journal import AnyJournal, JournalRecord
from pipeline.messages.processes import ProcessSeen
from pipeline.messages.versions import has_upgrade
from streams.kafka.codec import (
    decode_body,
    decode_entry,
    decode_event,
    decode_output,
    decode_process,
    decode_record,
    encode_record,
)

RECORDS = read_records()
READERS = {kind.__name__: decode_event for kind in EVENTS}
READERS |= {kind.__name__: decode_output for kind in OUTPUTS}
READERS |= {JournalRecord.__name__: decode_record, ProcessSeen.__name__: decode_process}


def _read(record):
    payload = record.payload.encode()
    if record.family:
        return decode_entry(f"{record.family}/x", payload)
    if record.name in {kind.__name__ for kind in get_args(AnyJournal)}:
        wrapped = decode_record(encode_record(1, "", payload), where="here")
        return decode_body(wrapped, where="here")
    return READERS[record.name](payload, where="here")


@pytest.mark.parametrize("record", RECORDS, ids=lambda each: f"{each.name}-{each.family}-{each.version}")
def test_it_is_read(record):
    assert type(_read(record)).__name__ == record.name


def test_the_newest_code_writes_the_newest_records_byte_for_byte():
    known = {(each.name, each.family, each.version): each.payload for each in RECORDS}
    for (_, family), kind in kinds().items():
        now = golden_record(kind, family)
        assert now.payload == known[now.name, family, now.version]


def test_every_version_below_the_newest_has_an_upgrade_and_a_record():
    newest = {(name, family): golden_record(kind, family).version for (name, family), kind in kinds().items()}
    missing = [
        (name, each)
        for (name, _), last in newest.items()
        for each in range(1, last)
        if not has_upgrade(name, each)
    ]
    assert missing == []
    known = {(each.name, each.family, each.version) for each in RECORDS}
    assert {(*key, each) for key, last in newest.items() for each in range(1, last + 1)} <= known
