"""`intents`: show intents to signers and their outcomes, end one by hand, and inspect the signers' journals."""

import getpass
import json
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import SettingsError
from pipeline.messages.events import Dropped
from pipeline.units import Address
from streams.cli.command_groups import Group
from streams.cli.console import AsJson, print_json, print_table, run, say, settings_for
from streams.cli.submitting import signer_file_for, signer_of
from streams.human_numbers import short
from streams.kafka.codec import encode
from streams.kafka.readers import reading
from streams.policy_rollout import append, appending
from streams.settings import Settings
from streams.submit.intent_status import (
    IntentStatus,
    Journals,
    find,
    intent_statuses,
    read_journals,
    why_not_closable,
    with_reports,
)

if TYPE_CHECKING:
    from streams.submit.audit import JournalFault

intents = typer.Typer(
    cls=Group,
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="List the intents of signers and their outcomes; check a signer's journal.",
)


@intents.command("list")
def list_intents(
    *,
    open_only: Annotated[bool, typer.Option("--open", help="Only intents that have not ended.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what was asked of signers, and how far each is by their journals."""
    settings = settings_for("intents list")
    journals, all_known = run(_known_and_reported(settings))
    for unreadable in journals.unreadable:
        say(f"not an entry of a journal: {unreadable}")
    found = [
        known
        for known in all_known
        if not open_only or known.stands in {"waiting", "signed", "sent", "mined"}
    ]
    if as_json:
        for known in found:
            print_json(json.dumps(_as_json(known)))
        return
    if not found:
        say("no intent is open" if open_only else "nothing has been asked of a signer")
        return
    print_table(
        "intents",
        ["intent", "book", "step", ">made at", "stands", ">nonce", "transaction", "signer"],
        [_row(known) for known in found],
    )


def _row(known: IntentStatus) -> tuple[str, ...]:
    intent = known.intent
    return (
        intent.digest,
        intent.book,
        intent.step,
        str(intent.made_at.number),
        known.stands,
        "" if known.nonce is None else str(known.nonce),
        short(known.hashes[-1]) if known.hashes else "",
        short(intent.signer),
    )


def _as_json(known: IntentStatus) -> dict[str, object]:
    """The intent as it is on its topic, and how far it is."""
    return {
        **json.loads(encode(known.intent)),
        "status": known.stands,
        "nonce": None if known.nonce is None else str(known.nonce),
        "hashes": list(known.hashes),
        "cancellations": list(known.cancellations),
    }


async def _known_and_reported(settings: Settings) -> tuple[Journals, list[IntentStatus]]:
    async with reading(settings.kafka) as reader:
        journals = await read_journals(reader, settings.chain)
        known = await intent_statuses(reader, settings.chain, journals=journals)
        return journals, await with_reports(reader, settings.chain, known)


async def _known(settings: Settings) -> tuple[Journals, list[IntentStatus]]:
    async with reading(settings.kafka) as reader:
        journals = await read_journals(reader, settings.chain)
        return journals, await intent_statuses(reader, settings.chain, journals=journals)


@intents.command("close")
def close(
    name: Annotated[str, typer.Argument(metavar="ID", help="An intent's id, or the last part of it.")],
) -> None:
    """End an intent that no signer answers, after looking at journal and nonce: nothing may come of it any more."""
    settings = settings_for("intents close")
    run(_close(settings, name))


async def _close(settings: Settings, name: str) -> None:
    from streams.submit.agreeing_nodes import sender_node  # noqa: PLC0415

    journals, all_known = await _known(settings)
    known = find(all_known, name)
    for unreadable in journals.unreadable:
        if unreadable.signer == known.intent.signer:
            raise SettingsError(f"{name} is not closed: a record of its signer cannot be read: {unreadable}")
    hashes = [attempt.transaction_hash for attempt in known.bound.attempts] if known.bound else []
    node = sender_node(settings.rpc_urls, timeout_s=10)
    try:
        look = await node.look(await node.newest(), Address(known.intent.signer), hashes)
    finally:
        await node.close()
    reason = why_not_closable(known, look)
    if reason is not None:
        raise SettingsError(f"{known.intent.digest} is not closed: {reason}")
    by = f"{getpass.getuser()}@{socket.gethostname()}"
    event = Dropped(intent=known.intent.digest, cause="closed", detail=f"closed by {by}")
    async with appending(settings.kafka) as producer:
        offset = await append(producer, settings.chain, known.shard, event)
    say(f"Dropped {known.intent.digest}: shard {known.shard}, offset {offset}")


# ------------------------------------------------------------------ journals
@intents.command("journal")
def journal(
    file: Annotated[Path, typer.Argument(help="The signer's file; its key verifies the journal's records.")],
    *,
    set_aside: Annotated[
        bool,
        typer.Option(
            "--set-aside", help="Restore what the signer last wrote; other records become dead letters."
        ),
    ] = False,
    forget: Annotated[
        bool,
        typer.Option(
            "--forget",
            help="Delete the journal: the signer no longer knows what it signed. Read the manual first.",
        ),
    ] = False,
    skip_intents: Annotated[
        bool,
        typer.Option(
            "--skip-intents",
            help="Continue at the end of intents.v1, after that topic was rebuilt or restored.",
        ),
    ] = False,
) -> None:
    """List what in a signer's journal is not its own, or is missing; or put it right, with the signer ended."""
    if set_aside + forget + skip_intents > 1:
        raise SettingsError("one thing at a time: --set-aside, --forget or --skip-intents")
    settings = settings_for("intents journal")
    signer_file = signer_file_for(settings, file)
    from streams.submit import journal_commands  # noqa: PLC0415 - keys take their time

    access = (settings.kafka, settings.chain, signer_of(signer_file))
    if set_aside:
        _show(
            run(journal_commands.set_aside(*access)), "set aside; the journal is what its signer last wrote"
        )
    elif forget:
        _show(run(journal_commands.forget(*access)), "forgotten; the signer begins with --new-signer")
    elif skip_intents:
        run(journal_commands.skip_intents(*access, settings.partitions))
        say("what stands on intents.v1 is passed over")
    else:
        faults = run(journal_commands.faults_of(*access))
        _show(faults, "nothing is wrong with it" if not faults else "--set-aside puts it right")
        raise typer.Exit(1 if faults else 0)


def _show(faults: "Sequence[JournalFault]", end: str) -> None:
    if faults:
        rows = [(fault.where, fault.key, fault.why) for fault in faults]
        print_table("not what the signer wrote", ["record", "key", "why"], rows)
    say(end)
