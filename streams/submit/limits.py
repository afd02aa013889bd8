"""The signer's own limits, which no intent may exceed whatever its source."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from pipeline.messages.sequencer import SequencerFeed
from pipeline.sign.gas_fees import CANCEL_GAS, FeeRules
from pipeline.units import Address, BookId, Bps, RawAmount, Seconds, Wei
from streams.submit.venues.port import VenueTerms

GWEI = 10**9

DataFee = Literal["none", "fee", "gas"]
"""Not at all; as a fee beside the gas, as OP-stack chains do; as gas within the limit, as Arbitrum does."""


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What all transactions of a signer may add up to over rolling windows of block time. Amounts are raw `token`."""

    token: Address
    max_loss_per_day: RawAmount
    max_notional: RawAmount
    """Moved by one transaction."""
    max_notional_per_day: RawAmount
    max_actions_per_hour: int = 12
    """Transactions that trade or move liquidity; a plan has up to three."""


class SignerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one signer may be asked to sign. Read from the signer's own file, never from a topic."""

    wrapped_native: Address
    venues: tuple[VenueTerms, ...]
    """A kind each. Their tokens are all that may be approved, traded or lost, their contracts all that may be called."""
    budget: Budget
    standing_allowances: Mapping[Address, RawAmount] = {}
    """By token, what each spender may be allowed; of others, or more, only what the owner has."""
    policies: Mapping[BookId, str] | None = None
    """The only policy versions that it acts for, by book; None: any, on a devnet."""
    max_loss_bps: Bps = Bps(100)
    """Of what leaves the owner, at the reference price that is worst for it."""
    max_gas_limit: int = 5_000_000
    max_gas_wei: Wei = Wei(GWEI * 10**9 // 4)
    """Gas of one nonce at the most that any of its versions offers."""
    max_gas_wei_per_day: Wei = Wei(GWEI * 10**9)
    gas_reserve_wei: Wei = Wei(GWEI * 10**9 // 20)
    """Left in the chain's coin by whatever takes value with it: no wrapping may make the owner unable to pay gas."""
    max_transactions_per_day: int = 200
    max_age_blocks: int = 50
    """An intent's own age counts where it is less."""
    max_ahead_blocks: int = 3
    """An intent of a block further above the head is refused at once; a nearer one is waited for."""
    max_deadline_s: Seconds = Seconds(900)
    """After the head's time nothing signed may still be mined: neither an intent's deadline nor its calldata's."""
    max_fee_per_gas_wei: Wei = Wei(200 * GWEI)
    cancel_max_fee_per_gas_wei: Wei = Wei(300 * GWEI)
    min_tip_wei: Wei = Wei(GWEI // 10)
    max_tip_wei: Wei = Wei(20 * GWEI)
    """Whatever a node says that others pay; a cancellation may go to twice as much."""
    bump_after_blocks: int = 3
    final_depth_blocks: int = 65
    cancel_gas: int = CANCEL_GAS
    data_fee: DataFee = "none"
    """How the chain charges for posting a transaction's data elsewhere."""
    stays_private: bool = False
    """There is a relay, and what it is given never goes to the public mempool."""
    sequencer: SequencerFeed | None = None
    """Who tells whether the chain's sequencer is up; None where nobody does."""
    block_s: Seconds = Seconds(12)
    """Between blocks: a simulation is dated this long after the head."""

    @property
    def tokens(self) -> tuple[Address, ...]:
        """List the venues' tokens, each once."""
        return tuple(dict.fromkeys(token for venue in self.venues for token in venue.tokens))

    @property
    def fees(self) -> FeeRules:
        """The most that may be offered, and when a transaction counts as stuck."""
        return FeeRules(
            bump_after_blocks=self.bump_after_blocks,
            max_fee_per_gas_wei=self.max_fee_per_gas_wei,
            cancel_max_fee_per_gas_wei=self.cancel_max_fee_per_gas_wei,
            max_tip_wei=self.max_tip_wei,
            max_gas_wei=self.max_gas_wei,
            max_gas_wei_per_day=self.max_gas_wei_per_day,
            cancel_gas=self.cancel_gas,
        )
