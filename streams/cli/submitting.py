"""`submit`: run a signer, which signs and sends the intents of books."""

from pathlib import Path
from typing import Annotated, Any

import typer

from contracts_abi.chains import known_chains
from pipeline.errors import SettingsError
from streams.cli.cancelling import cancel_all
from streams.cli.console import run, say, settings_for
from streams.devnet.artifacts import anvil_here
from streams.devnet.cache import DEFAULT_CACHE
from streams.kafka.topics import ensure_topics
from streams.run_folder import devnet_in
from streams.settings import Settings
from streams.submit.signer_file import SignerFile, load_signer_file
from streams.submit.stop_file import stop_file_of

_CALL_TIMEOUT_S = 10.0


def submit(
    file: Annotated[Path, typer.Argument(help="The signer's file, with its key, pools and limits.")],
    *,
    live: Annotated[bool, typer.Option("--live", help="Yes, send transactions.")] = False,
    accept_nonce: Annotated[
        bool,
        typer.Option(
            "--accept-nonce", help="The key was used elsewhere on purpose: continue from the chain's nonce."
        ),
    ] = False,
    cancel: Annotated[
        bool,
        typer.Option(
            "--cancel-all",
            help="Cancel every transaction that waits in the mempool, then end. Needs only the key and a node, no broker.",
        ),
    ] = False,
    up_to_nonce: Annotated[
        int | None,
        typer.Option(
            "--up-to-nonce",
            min=1,
            metavar="N",
            help="With --cancel-all: also cancel nonces below N that no node shows, such as those of private transactions.",
        ),
    ] = None,
    new_signer: Annotated[
        bool,
        typer.Option(
            "--new-signer",
            help="Begin a journal, for a signer that has none or whose journal is lost. Without --live, do only that.",
        ),
    ] = False,
) -> None:
    """Sign and send live books' transactions within the signer's own limits; or cancel waiting ones."""
    settings = settings_for("submit", serving=not cancel)
    signer_file = signer_file_for(settings, file)
    if cancel:
        run(cancel_all(settings, file, signer_file, signer_of(signer_file), up_to_nonce=up_to_nonce))
        return
    if up_to_nonce is not None:
        raise SettingsError("--up-to-nonce: only with --cancel-all")
    if live:
        stop_file = stop_file_of(file)
        run(
            _submit(
                settings, signer_file, stop_file=stop_file, adopt_nonce=accept_nonce, new_signer=new_signer
            )
        )
    elif new_signer:
        run(_begin(settings, signer_file))
    else:
        raise SettingsError("nothing is sent without --live")


def signer_file_for(settings: Settings, file: Path) -> SignerFile:
    """Read a signer's file for this deployment. Raises: SettingsError."""
    signer_file = load_signer_file(file)
    if signer_file.chain != settings.chain:
        raise SettingsError(f"{file}: chain: {signer_file.chain}, but the settings say {settings.chain}")
    return signer_file


async def _begin(settings: Settings, file: SignerFile) -> None:
    """Begin a signer's journal, and send nothing."""
    from streams.node.right_chain import check_chain  # noqa: PLC0415 - web3 and keys take their time
    from streams.submit.agreeing_nodes import sender_node  # noqa: PLC0415
    from streams.submit.journal_commands import begin_journal  # noqa: PLC0415
    from streams.submit.node_requirements import check_clients, check_urls  # noqa: PLC0415

    check_urls(settings.rpc_urls, file)
    await check_clients(settings.rpc_urls, file.chain, timeout_s=_CALL_TIMEOUT_S)
    node = sender_node(settings.rpc_urls, timeout_s=_CALL_TIMEOUT_S)
    try:
        check_chain(await node.chain_id(), settings.chain)
        await ensure_topics(settings.kafka, settings.chain, settings.partitions)
        nonce = await begin_journal(
            settings.kafka,
            settings.chain,
            partitions=settings.partitions,
            node=node,
            signer=signer_of(file),
        )
    finally:
        await node.close()
    say(f"the journal begins: nonce {nonce} is the next; what stands on intents.v1 is passed over")


async def _submit(
    settings: Settings, file: SignerFile, *, stop_file: Path, adopt_nonce: bool, new_signer: bool
) -> None:
    from streams.node.right_chain import check_chain  # noqa: PLC0415 - web3 and keys take their time
    from streams.submit.agreeing_nodes import sender_node  # noqa: PLC0415
    from streams.submit.file_limits import read_limits  # noqa: PLC0415
    from streams.submit.forked import check_simulation  # noqa: PLC0415
    from streams.submit.node_requirements import check_clients, check_urls  # noqa: PLC0415
    from streams.submit.serve import run_submit  # noqa: PLC0415

    check_urls(settings.rpc_urls, file)
    await check_clients(settings.rpc_urls, file.chain, timeout_s=_CALL_TIMEOUT_S)
    await _check_contracts(settings, file)
    relay = _relay(file)
    devnet = devnet_in(settings.folder)
    signer = signer_of(file)
    program = anvil_here(cache=settings.cache or DEFAULT_CACHE)
    node = sender_node(
        settings.rpc_urls, timeout_s=_CALL_TIMEOUT_S, program=program, limits=settings.rpc_limits
    )
    try:
        check_chain(await node.chain_id(), settings.chain)
        await check_simulation(node, signer.address)
        limits = await read_limits(node, file, devnet.world if devnet else None)
    except BaseException:
        await node.close()
        raise
    await run_submit(
        kafka=settings.kafka,
        chain_id=settings.chain,
        partitions=settings.partitions,
        node=node,
        instance=settings.instance,
        signer=signer,
        limits=limits,
        adopt_nonce=adopt_nonce,
        stop_file=stop_file,
        new_signer=new_signer,
        relay=relay,
        public_after_blocks=file.public_after_blocks,
    )


async def _check_contracts(settings: Settings, file: SignerFile) -> None:
    """Hold the code of the contracts that a signer's file does not name itself against the hashes of the chain's file.

    Raises: SettingsError naming the field that a node contradicts, NodeError.
    """
    from streams.node.chain_code import require_code  # noqa: PLC0415 - takes its time

    chain = known_chains().get(file.chain)
    if chain is not None:
        await require_code(settings.rpc_urls, chain, chain.contracts.taken_by(file))


def _relay(file: SignerFile) -> Any:
    from streams.submit.node_requirements import check_way  # noqa: PLC0415
    from streams.submit.relay import HttpRelay  # noqa: PLC0415

    if file.send_url is None:
        return None
    url = file.send_url.get_secret_value()
    check_way(url, file, field="send_url")
    return HttpRelay(url, file.send_method, timeout_s=_CALL_TIMEOUT_S)


def signer_of(file: SignerFile) -> Any:
    """Open the key that a signer's file names. Raises: SettingsError."""
    from streams.submit.signer import devnet_signer, keystore_signer  # noqa: PLC0415

    if file.devnet_account is not None:
        return devnet_signer(file.devnet_account, file.chain)
    assert file.keystore is not None
    assert file.password_file is not None
    return keystore_signer(file.keystore, file.password_file)
