"""`submit`, which signs and sends; `intents`, which shows and closes what it was asked for."""

import getpass
import socket
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.errors import SettingsError
from pipeline.messages.events import Dropped
from pipeline.units import Address
from streams.applied import append, appending
from streams.chain.signer_file import SignerFile, load_signer_file, places_of
from streams.chain.submit.known import Known, find, known_intents, why_not_closable
from streams.chain.submit.stop_file import stop_file_of
from streams.cli.cancelling import cancel_all
from streams.cli.console import AsJson, print_json, print_table, run, say, settings_for
from streams.codec import encode
from streams.human import short
from streams.readers import reading
from streams.settings import Settings, devnet_in

intents = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="What was asked of signers, and what came of it.",
)


def submit(
    file: Annotated[Path, typer.Argument(help="The signer's file: its key, its pools, its limits.")],
    *,
    live: Annotated[bool, typer.Option("--live", help="Yes, send transactions.")] = False,
    accept_nonce: Annotated[
        bool,
        typer.Option(
            "--accept-nonce", help="The key was used elsewhere on purpose: go on from the chain's nonce."
        ),
    ] = False,
    cancel: Annotated[
        bool,
        typer.Option(
            "--cancel-all",
            help="Cancel every transaction that waits in the mempool, then end. Needs the key and the chain, no broker.",
        ),
    ] = False,
    up_to_nonce: Annotated[
        int | None,
        typer.Option(
            "--up-to-nonce",
            min=1,
            metavar="N",
            help="With --cancel-all: also nonces below N of which no node tells, as of what was sent privately.",
        ),
    ] = None,
) -> None:
    """Sign and send what the books want, within the signer's own limits; or take back what waits."""
    settings = settings_for("submit", serving=not cancel)
    signer_file = signer_file_for(settings, file)
    if cancel:
        run(cancel_all(settings, file, signer_file, _signer(signer_file), up_to_nonce=up_to_nonce))
        return
    if up_to_nonce is not None:
        raise SettingsError("--up-to-nonce: only with --cancel-all")
    if not live:
        raise SettingsError("nothing is sent without --live")
    run(_submit(settings, signer_file, stop_file=stop_file_of(file), adopt_nonce=accept_nonce))


def signer_file_for(settings: Settings, file: Path) -> SignerFile:
    """Read a signer's file for this deployment. Raises: SettingsError."""
    signer_file = load_signer_file(file)
    if signer_file.chain != settings.chain:
        raise SettingsError(f"{file}: chain: {signer_file.chain}, but the settings say {settings.chain}")
    return signer_file


async def _submit(settings: Settings, file: SignerFile, *, stop_file: Path, adopt_nonce: bool) -> None:
    from streams.chain.submit.node import HttpSenderNode  # noqa: PLC0415 - web3 and keys take their time
    from streams.chain.submit.pools import read_pools, read_references  # noqa: PLC0415
    from streams.chain.submit.serve import run_submit  # noqa: PLC0415

    devnet = devnet_in(settings.folder)
    places = places_of(file, devnet.world if devnet else None)
    node = HttpSenderNode(settings.rpc_urls[0], timeout_s=10)
    try:
        pools = await read_pools(node, file.pools, factory=places.factory)
        references = await read_references(node, file.named_references(), pools, factory=places.factory)
    finally:
        await node.close()
    await run_submit(
        kafka=settings.kafka,
        chain_id=settings.chain,
        partitions=settings.partitions,
        rpc_url=settings.rpc_urls[0],
        instance=settings.instance,
        signer=_signer(file),
        limits=file.limits(places, pools, references),
        adopt_nonce=adopt_nonce,
        stop_file=stop_file,
    )


def _signer(file: SignerFile) -> Any:
    from streams.chain.signer import devnet_signer, keystore_signer  # noqa: PLC0415

    if file.devnet_account is not None:
        return devnet_signer(file.devnet_account, file.chain)
    assert file.keystore is not None
    assert file.password_file is not None
    return keystore_signer(file.keystore, file.password_file)


# ------------------------------------------------------------------ intents
@intents.command("list")
def list_intents(
    *,
    open_only: Annotated[bool, typer.Option("--open", help="Only those that have not ended.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what was asked of signers, and how far each is by their journals."""
    settings = settings_for("intents")
    found = [
        known
        for known in run(_known(settings))
        if not open_only or known.stands in {"waiting", "signed", "sent", "mined"}
    ]
    if as_json:
        for known in found:
            print_json(encode(known.intent))
        return
    print_table(
        "intents",
        ["intent", "book", "step", ">made at", "stands", ">nonce", "transaction", "signer"],
        [_row(known) for known in found],
    )


def _row(known: Known) -> tuple[str, ...]:
    intent, bound = known.intent, known.bound
    nonce = known.entry.nonce if known.entry else None
    return (
        intent.digest,
        intent.book,
        intent.step,
        str(intent.made_at.number),
        known.stands,
        "" if nonce is None else str(nonce),
        short(bound.attempts[-1].transaction_hash) if bound else "",
        short(intent.signer),
    )


async def _known(settings: Settings) -> list[Known]:
    async with reading(settings.kafka) as reader:
        return await known_intents(reader, settings.chain)


@intents.command("close")
def close(
    name: Annotated[str, typer.Argument(metavar="ID", help="An intent's id, or the last part of it.")],
) -> None:
    """End an intent that no signer answers, after looking at journal and nonce: nothing may come of it any more."""
    settings = settings_for("intents")
    run(_close(settings, name))


async def _close(settings: Settings, name: str) -> None:
    from streams.chain.submit.node import HttpSenderNode  # noqa: PLC0415

    known = find(await _known(settings), name)
    hashes = [attempt.transaction_hash for attempt in known.bound.attempts] if known.bound else []
    node = HttpSenderNode(settings.rpc_urls[0], timeout_s=10)
    try:
        look = await node.look(await node.newest(), Address(known.intent.signer), hashes)
    finally:
        await node.close()
    reason = why_not_closable(known, look)
    if reason is not None:
        raise SettingsError(f"{known.intent.digest} is not closed: {reason}")
    event = Dropped(
        intent=known.intent.digest, reason=f"closed by {getpass.getuser()}@{socket.gethostname()}"
    )
    async with appending(settings.kafka) as producer:
        offset = await append(producer, settings.chain, known.shard, event)
    say(f"Dropped {known.intent.digest}: shard {known.shard}, offset {offset}")
