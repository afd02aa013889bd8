"""Run a process of a deployment as this release, or as a future one: `newer_evenkeel.py old|new work|watch|verify JSON`.

The newer one is this code with another table of versions, put in place before anything else is imported: a message, an output and an
entry have changed their forms, and its rules decide otherwise. So it stands in for a release, and is none.
"""

import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import Any, Union, get_args

import msgspec


def become_newer() -> None:
    """Raise `BlockSeen`, `Declined` and `BookPath` by a version, and the rules by one."""
    from pipeline import rules
    from pipeline.messages import decisions, entries, events
    from pipeline.messages.versions import upgrades, version_of_type

    def changed(module: Any, name: str, **form: Any) -> type:
        old = getattr(module, name)
        new = msgspec.defstruct(
            name, [("added", int, 7)], bases=(old,), frozen=True, kw_only=True, module=old.__module__, **form
        )
        upgrades(name, version_of_type(old))(lambda fields: {**fields, "added": "7"})
        setattr(module, name, new)
        return new

    def in_place(kinds: Any, new: type) -> Any:
        return tuple(new if kind.__name__ == new.__name__ else kind for kind in kinds)

    events.EVENT_TYPES = in_place(events.EVENT_TYPES, changed(events, "BlockSeen", tag="BlockSeen.4"))
    declined = changed(decisions, "Declined", tag="Declined.2")
    union: Any = Union[in_place(get_args(decisions.AnyDecision), declined)]  # noqa: UP007
    decisions.AnyDecision = union
    entries.ENTRY_TYPES["path"] = changed(entries, "BookPath", tag_field="version", tag="2")  # type: ignore[index]
    rules.RULES += 1

    from pipeline.decide import strategies
    from pipeline.messages.policy import TargetBand

    strategies.STRATEGIES[TargetBand] = lambda *_: strategies.Rest(reason="as newer rules say")  # type: ignore[index,arg-type]


def work(given: dict[str, Any]) -> None:
    from streams.kafka.access import KafkaAccess
    from streams.work.app import run_worker

    logging.basicConfig(level=logging.INFO, format="%(name)s %(levelname)s %(message)s")
    folder = Path(given["folder"])
    run_worker(
        KafkaAccess(given["bootstrap"]), given["chain_id"], given["partitions"], given["instance"], folder
    )


def watch(given: dict[str, Any]) -> None:
    from streams.kafka.access import KafkaAccess
    from streams.watch.timing import Timing
    from streams.watch.watcher import run_watch

    timing = Timing(poll_s=0.03, halt_after_s=0.2, call_timeout_s=5, retry_first_s=0.05, retry_most_s=0.5)
    names = ("chain_id", "partitions", "instance")
    watching = {name: given[name] for name in names} | {"rpc_urls": (given["rpc_url"],)}
    asyncio.run(run_watch(kafka=KafkaAccess(given["bootstrap"]), timing=timing, **watching))


def verify(given: dict[str, Any]) -> None:
    from streams import verify as verification
    from streams.kafka.access import KafkaAccess
    from streams.kafka.readers import reading
    from streams.node.http_node import HttpNode

    async def compare() -> verification.Verdict:
        verdict, node = verification.Verdict(), HttpNode(given["rpc_url"])
        async with reading(KafkaAccess(given["bootstrap"])) as reader:
            shard = await verification.load_shard(reader, given["chain_id"], given["shard"])
            await verification.against_the_fold(reader, given["chain_id"], shard, verdict)
            await verification.against_the_chain(node, shard, verdict)
        await node.close()
        return verdict

    sys.stdout.write(json.dumps(msgspec.to_builtins(asyncio.run(compare()))))


def main() -> None:
    which, role, given = sys.argv[1:]
    if which == "new":
        become_newer()
    {"work": work, "watch": watch, "verify": verify}[role](json.loads(given))


if __name__ == "__main__":
    main()
