"""`state show` and `state verify`: print a shard's state, and check it against its log and the chain."""

import sys
from typing import Annotated

import msgspec
import typer

from pipeline.errors import EvenkeelError
from pipeline.units import ShardId
from streams.cli.command_groups import Group
from streams.cli.console import AsJson, print_json, print_table, run, say, settings_for
from streams.kafka.codec import encode_entry
from streams.kafka.readers import reading
from streams.node.http_node import HttpNode
from streams.settings import Settings
from streams.verify import Verdict, against_the_chain, against_the_fold, load_shard

state = typer.Typer(
    cls=Group,
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Show a shard's state, or verify it.",
)

_SHOWN = 20
"""More differences are counted: a state that is all wrong has thousands."""

OneShard = Annotated[int | None, typer.Option("--shard", min=0, help="Only this shard.")]

_SHOWN_CHARACTERS = 160


@state.command()
def show(
    prefix: Annotated[
        str, typer.Argument(help="Only entries whose key begins with this, e.g. pool/0x...")
    ] = "",
    *,
    shard: OneShard = None,
    as_json: AsJson = False,
) -> None:
    """Show a shard's entries as committed."""
    settings = settings_for("state")
    run(_show(settings, prefix, shard, as_json=as_json))


async def _show(settings: Settings, prefix: str, only: int | None, *, as_json: bool) -> None:
    rows: list[tuple[str, str, str]] = []
    async with reading(settings.kafka) as reader:
        for number in _shards(settings, only):
            loaded = await load_shard(reader, settings.chain, number)
            for key, value in sorted(loaded.tables.entries().items()):
                if not key.startswith(prefix):
                    continue
                payload = encode_entry(value).decode()
                if as_json:
                    print_json(f'{{"shard":"{number}","key":"{key}","value":{payload}}}')
                rows.append((str(number), key, payload[:_SHOWN_CHARACTERS]))
    if not as_json:
        print_table(f"{len(rows)} entries", [">shard", "key", "value"], rows)


@state.command()
def verify(*, shard: OneShard = None, as_json: AsJson = False) -> None:
    """Hold state and outputs against an undisturbed fold of the log, and the state against the chain.

    Decisions are compared from where this Evenkeel's rules began; the chain's part under all.
    """
    settings = settings_for("state")
    verdict = run(_verify(settings, shard))
    if as_json:
        print_json(
            msgspec.json.encode(
                {
                    "wrong": verdict.wrong,
                    "behind": verdict.behind,
                    "under": verdict.under,
                    "compared": verdict.compared,
                }
            )
        )
    else:
        print_table(
            "compared", ["what", ">how many"], [(what, str(n)) for what, n in verdict.compared.items()]
        )
    for under in verdict.under:
        say(f"compared {under}")
    for wrong in verdict.wrong[:_SHOWN]:
        say(f"WRONG: {wrong}")
    if len(verdict.wrong) > _SHOWN:
        say(f"WRONG: {len(verdict.wrong) - _SHOWN} more differences (--json lists all)")
    if verdict.wrong:
        sys.exit(1)
    if not verdict.compared["state entries"]:
        raise EvenkeelError("nothing was compared: no worker has committed a state yet (`evenkeel work`)")
    for behind in verdict.behind:
        say(f"not compared: {behind}")
    say("everything that was compared agrees with the log and with the chain")


async def _verify(settings: Settings, only: int | None) -> Verdict:
    verdict = Verdict()
    node = HttpNode(settings.rpc_urls[0])
    try:
        async with reading(settings.kafka) as reader:
            for number in _shards(settings, only):
                loaded = await load_shard(reader, settings.chain, number)
                await against_the_fold(reader, settings.chain, loaded, verdict)
                await against_the_chain(node, loaded, verdict)
    finally:
        await node.close()
    return verdict


def _shards(settings: Settings, only: int | None) -> list[ShardId]:
    if only is not None and only >= settings.partitions:
        raise EvenkeelError(f"there is no shard {only}, only 0 to {settings.partitions - 1}")
    return [ShardId(n) for n in range(settings.partitions) if only is None or n == only]
