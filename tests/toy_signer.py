"""A signer for the toy chain, which carries out intents and reports like the real one."""

from typing import Any

from builders import BASE, MANAGER, OWNER, QUOTE, ROUTER, STRANGER, ToyChain, topic

from pipeline.messages.base import Receipt
from pipeline.messages.events import AnyEvent, Sent, Signed, Simulated
from pipeline.messages.transactions import SubmitTransaction
from pipeline.units import Hash, Wei
from pipeline.venues.uniswap_v3 import quote
from pipeline.venues.uniswap_v3.calldata import read_calls


class ToySigner:
    """Executes intents in the block that is being mined."""

    def __init__(self) -> None:
        self.nonce = 0
        self.done: list[SubmitTransaction] = []

    def reports(self, chain: ToyChain, intent: SubmitTransaction) -> list[AnyEvent]:
        """Report intents as signed, with the digest as hash, so that tests can identify them."""
        tx_hash = "0x" + intent.digest.rjust(64, "0")
        self.nonce += 1
        at: dict[str, Any] = {"intent": intent.digest}
        return [
            Simulated(**at, at=chain.head, gas_used=1),
            Signed(**at, nonce=self.nonce, transaction_hash=Hash(tx_hash)),
            Sent(**at, transaction_hash=Hash(tx_hash)),
        ]

    def execute(self, chain: ToyChain, intent: SubmitTransaction, *, succeeds: bool = True) -> Receipt:
        """Execute an intent in the present block."""
        if succeeds:
            chain.transaction = "0x" + intent.digest.rjust(64, "0")
            for call in read_calls(intent.call.data):
                getattr(self, f"_{call.name}")(chain, intent, call.arguments)
            chain.transaction = None
        self.done.append(intent)
        return Receipt(
            transaction_hash=Hash("0x" + intent.digest.rjust(64, "0")),
            transaction_index=0,
            sender=OWNER,
            to=intent.call.to,
            succeeded=succeeds,
            gas_used=100_000,
            effective_gas_price_wei=Wei(10**9),
        )

    def _approve(self, chain: ToyChain, intent: SubmitTransaction, arguments: tuple) -> None:
        spender, amount = arguments
        before = chain.allowances.get((OWNER, intent.call.to, spender), 0)
        assert not (before and amount), "some tokens go from one allowance to another only by way of 0"
        chain.allowances[OWNER, intent.call.to, spender] = amount

    def _decreaseLiquidity(self, chain: ToyChain, _: SubmitTransaction, arguments: tuple) -> None:  # noqa: N802
        token_id, liquidity, minimum0, minimum1, _deadline = arguments
        assert token_id in chain.nfts, "an NFT that is not on this branch"
        before = chain.nfts[token_id]
        assert before.owner == OWNER, "an NFT of somebody else"
        assert before.liquidity >= liquidity
        chain.decrease(token_id, liquidity)
        after = chain.nfts[token_id]
        assert after.owed0 - before.owed0 >= minimum0
        assert after.owed1 - before.owed1 >= minimum1

    def _collect(self, chain: ToyChain, _: SubmitTransaction, arguments: tuple) -> None:
        assert arguments[1] == OWNER
        assert arguments[0] in chain.nfts, "an NFT that is not on this branch"
        chain.collect(arguments[0])

    def _exactInputSingle(self, chain: ToyChain, _: SubmitTransaction, arguments: tuple) -> None:  # noqa: N802
        token_in, token_out, _fee, recipient, amount_in, minimum_out, limit_x96 = arguments
        assert recipient == OWNER
        down = token_in == BASE
        expected = quote(chain.pool, amount_in, zero_for_one=down, limit_x96=limit_x96)
        out = -(expected.amount1_delta if down else expected.amount0_delta)
        assert out >= minimum_out
        before = chain.balances[OWNER, token_out]
        assert chain.balances[OWNER, token_in] >= amount_in
        assert chain.allowances.get((OWNER, token_in, ROUTER), 0) >= amount_in
        chain.swap(amount_in, down=down, trader=OWNER)
        assert chain.balances[OWNER, token_out] - before == out
        chain.allowances[OWNER, token_in, ROUTER] -= amount_in

    def _exactOutputSingle(self, chain: ToyChain, _: SubmitTransaction, arguments: tuple) -> None:  # noqa: N802
        token_in, token_out, _fee, recipient, amount_out, most_in, limit_x96 = arguments
        assert (recipient, limit_x96) == (OWNER, 0)
        down = token_in == BASE
        expected = quote(chain.pool, -amount_out, zero_for_one=down)
        paid = expected.amount0_delta if down else expected.amount1_delta
        assert paid <= most_in
        before = chain.balances[OWNER, token_out]
        assert chain.balances[OWNER, token_in] >= paid
        assert chain.allowances.get((OWNER, token_in, ROUTER), 0) >= paid
        chain.swap(-amount_out, down=down, trader=OWNER)
        assert chain.balances[OWNER, token_out] - before == amount_out
        chain.allowances[OWNER, token_in, ROUTER] -= paid

    def _mint(self, chain: ToyChain, _: SubmitTransaction, arguments: tuple) -> None:
        from pipeline.math.liquidity import liquidity_for_amounts

        _t0, _t1, _fee, lower, upper, amount0, amount1, minimum0, minimum1, owner, _deadline = arguments
        assert owner == OWNER
        before = {token: chain.balances[OWNER, token] for token in (BASE, QUOTE)}
        assert all(before[token] >= most for token, most in ((BASE, amount0), (QUOTE, amount1)))
        liquidity = liquidity_for_amounts(chain.pool.sqrt_price_x96, lower, upper, amount0, amount1)
        chain.mint(OWNER, lower, upper, liquidity)
        for token, least in ((BASE, minimum0), (QUOTE, minimum1)):
            spent = before[token] - chain.balances[OWNER, token]
            assert spent >= least
            assert chain.allowances.get((OWNER, token, MANAGER), 0) >= spent
            chain.allowances[OWNER, token, MANAGER] = chain.allowances.get((OWNER, token, MANAGER), 0) - spent


def whale(chain: ToyChain, *, down: bool, amount: int = 2 * 10**21) -> None:
    """Push the price out of the narrow ranges."""
    chain.swap(amount, down=down, trader=STRANGER)


__all__ = ["ToySigner", "topic", "whale"]
