"""`submit --cancel-all`: cancel a signer's pending transactions, with its key and a node alone."""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.sign.gas_fees import FeeRules
from streams.chain_numbers import numbers_of
from streams.cli.console import say
from streams.settings import Settings
from streams.submit.signer_file import SignerFile
from streams.submit.stop_file import put_stop_file, stop_file_of

if TYPE_CHECKING:
    from streams.submit.signer import Signer

WITHIN_S = 600
"""How long it waits for its cancellations to be mined."""


async def cancel_all(
    settings: Settings, path: Path, file: SignerFile, signer: "Signer", *, up_to_nonce: int | None
) -> None:
    """Stop the file's signer where it runs here, then cancel each nonce that waits. Needs no broker.

    Raises: SettingsError, InfrastructureError naming what is left.
    """
    from streams.submit.cancel_all import CancelAll  # noqa: PLC0415 - web3 takes its time
    from streams.submit.node import HttpSenderNode  # noqa: PLC0415

    stop_file = stop_file_of(path)
    put_stop_file(stop_file, cancels=True, reason="submit --cancel-all")
    say(f"{stop_file} exists: nothing new is signed here until `evenkeel resume --local {path}`")
    if file.send_url is not None and up_to_nonce is None:
        say("no node shows what went to send_url: --up-to-nonce N cancels that too, N above its last nonce")
    nodes = [HttpSenderNode(url, timeout_s=10) for url in settings.rpc_urls]
    chain = numbers_of(settings.chain)
    rules = FeeRules(
        bump_after_blocks=file.bump_after_blocks or chain.bump_after_blocks,
        max_fee_per_gas_wei=file.max_fee_gwei,
        cancel_max_fee_per_gas_wei=file.cancel_max_fee_gwei,
        max_tip_wei=file.max_tip_gwei,
        max_gas_wei=file.max_gas_ether,
        max_gas_wei_per_day=file.max_gas_ether_per_day,
        cancel_gas=chain.cancel_gas,
    )
    cancelling = CancelAll(
        nodes,
        signer,
        chain_id=settings.chain,
        rules=rules,
        min_tip_wei=file.min_tip_gwei,
        say=say,
    )
    try:
        count = await cancelling.run(up_to_nonce=up_to_nonce, within_s=WITHIN_S)
    finally:
        for node in nodes:
            await node.close()
    if not count:
        say("nothing waits: every transaction that the nodes know of is in a block")
        return
    say(
        f"nothing waits any more: {count} nonces were cancelled, or their transactions were mined before that"
    )
    say("the next `evenkeel submit` knows these cancellations by their signature and reports what they ended")
