"""aiokafka's errors about a transaction that was aborted from outside become errors of ours, never a traceback."""

import inspect

import pytest
from aiokafka import errors

from pipeline.errors import CommitError, FencedError
from streams.kafka.access import KafkaAccess
from streams.kafka.checkpoint.kafka import KafkaCheckpoint
from streams.submit.journal import KafkaJournal

KAFKA = KafkaAccess("127.0.0.1:9")
WRITERS = {
    "journal": KafkaJournal(KAFKA, 1, "0x" + "51" * 20),
    "checkpoint": KafkaCheckpoint(KAFKA, 1, instance="w"),
}
FENCED = (errors.ProducerFenced, errors.InvalidProducerEpoch)
RAISED = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.KafkaError | errors.IllegalOperation)
    and not kind.__name__.endswith(("AuthorizationFailedError", "AuthorizationFailed"))
]


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("kind", RAISED, ids=lambda kind: kind.__name__)
async def test_whatever_it_is_it_says_who_has_failed(writer, kind):
    wanted = FencedError if issubclass(kind, FENCED) else CommitError
    with pytest.raises(wanted):
        async with writer._or_failing("commit"):
            raise kind("from the producer")


def test_the_one_that_is_no_kafka_error_is_among_them():
    assert errors.IllegalOperation in RAISED
    assert not issubclass(errors.IllegalOperation, errors.KafkaError)
