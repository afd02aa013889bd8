"""A live book on the toy chain with reorgs, a sender that keeps nonces, and a miner who chooses transactions."""

import copy
from collections import Counter
from collections.abc import Callable

from builders import BASE, MANAGER, OWNER, QUOTE, ROUTER, ToyChain, started
from toy_sender import ToySender, Wants, branch_of, everything, mined_in

from pipeline.act.lifecycle import state_of
from pipeline.act.settle import is_open
from pipeline.drive import drive
from pipeline.math.amounts import amounts_of_liquidity
from pipeline.messages.base import Receipt
from pipeline.messages.decisions import PlanClosed, PlanOpened, Quarantined
from pipeline.messages.effects import Plan
from pipeline.messages.journal import Inclusion
from pipeline.messages.outcomes import AnyPlanOutcome
from pipeline.messages.policy import Policy
from pipeline.messages.transactions import SubmitTransaction
from pipeline.state.shard import Shard
from pipeline.units import Address, ShardId
from pipeline.venues.uniswap_v3.forms.entries import NftPosition

Market = Callable[[ToyChain], object]


def small_swap(chain: ToyChain) -> None:
    chain.swap(10**14, down=chain.random.random() < 0.5)


def deviation(chain: ToyChain, book: Policy) -> int:
    """Return how far the owner's base share is from its target on the chain, without fees, in bps."""
    held = {token: chain.balances[OWNER, token] for token in (BASE, QUOTE)}
    price = chain.pool.sqrt_price_x96
    for nft in chain.nfts.values():
        if nft.owner == OWNER:
            amounts = amounts_of_liquidity(price, nft.tick_lower, nft.tick_upper, nft.liquidity)
            for token, amount, owed in zip((BASE, QUOTE), amounts, (nft.owed0, nft.owed1), strict=True):
                held[token] += amount + owed
    value0 = held[BASE] * price * price >> 192
    share0 = value0 * 10_000 // (value0 + held[QUOTE])
    share = share0 if book.base == BASE else 10_000 - share0
    return abs(share - book.strategy.target_share_bps)


class Lifecycle:
    """Watcher, shard, sender and miner, stepped by the test; every block can be reverted."""

    def __init__(self, book: Policy, *, seed: int = 5, depth: int = 10**23) -> None:
        self.watcher = started(seed, book, depth=depth)
        self.shard = Shard(ShardId(0))
        self.sender = ToySender()
        self.queue: list[SubmitTransaction] = []
        self.outputs: list[object] = []
        self.book = book
        self.acted: list[tuple[int, int, list[str]]] = []
        """Of each block with transactions of ours: how far off the share would be without them, how far it is, in bps."""
        self.markets: dict[int, Market] = {}
        """By number, what others traded in that block."""
        self.replayed: list[Market] = []
        self.before: dict[int, ToyChain] = {}
        """By number, the chain as it was at the end of that block."""
        self.take()
        for _ in range(6):
            self.block()

    @property
    def chain(self) -> ToyChain:
        return self.watcher.chain

    @property
    def offset(self) -> int:
        return self.shard.cursor + 1

    def take(self) -> list[object]:
        return self.took(list(drive(self.shard, self.watcher.log[self.offset :])))

    def took(self, new: list[object]) -> list[object]:
        """Store the outputs, and queue the intents among them."""
        self.outputs += new
        self.queue += [each for each in new if isinstance(each, SubmitTransaction)]
        return new

    def block(self, market: Market = small_swap, *, wants: Wants = everything) -> list[object]:
        """Let the sender read the head, mine a block in which the market trades first, and apply it.

        Behind a reorg that plays the same trades again, these come before any other.
        """
        market = self.replayed.pop(0) if self.replayed else market
        commanded, self.queue = self.queue, []
        for report in self.sender.serve(self.chain, commanded):
            self.watcher.append(report)
        self.take()
        self.before[self.chain.head.number] = copy.deepcopy(self.chain)
        self.chain.mine(0)
        branch_of(self.chain)[self.chain.head.number] = self.chain.head.hash
        market(self.chain)
        self.markets[self.chain.head.number] = market
        alone = deviation(self.chain, self.book)
        receipts = self.sender.include(self.chain, wants)
        if any(each.succeeded and each.to != OWNER for each in receipts):
            self.acted.append((alone, deviation(self.chain, self.book), self.steps_of(receipts)))
        self.watcher.tell(receipts)
        return self.take()

    def steps_of(self, receipts: tuple[Receipt, ...]) -> list[str]:
        steps = {each.digest.rjust(16, "0"): each.step for each in self.said(SubmitTransaction)}
        return [steps.get(each.transaction_hash[-16:], "?") for each in receipts if each.succeeded]

    def reorg(self, depth: int, *, again: bool = False) -> None:
        """Replace the newest blocks by others, in which others may trade the same."""
        head = self.chain.head.number
        if again:
            self.replayed = [self.markets[number] for number in range(head - depth + 1, head + 1)]
        back = self.before[self.chain.head.number - depth]
        back = copy.deepcopy(back)
        back.salt = f"{self.chain.salt}+{depth}"
        self.watcher.revert_to(back)
        self.take()

    def let_stand(self, amount: int) -> None:
        """Give the spenders an allowance, as a former plan has left it."""
        for token in (BASE, QUOTE):
            for spender in (ROUTER, MANAGER):
                self.chain.allowances[OWNER, token, spender] = amount
        self.block()

    # -------------------------------------------------------------- what there is
    def said(self, kind: type) -> list:
        return [each for each in self.outputs if isinstance(each, kind)]

    def commanded(self, step: str) -> list[SubmitTransaction]:
        return [each for each in self.said(SubmitTransaction) if each.step == step]

    @property
    def plan(self) -> Plan:
        return self.shard.tables.need("plan/alpha", Plan)

    @property
    def state(self) -> str:
        """Return the plan's state in the table of its states."""
        return state_of(self.shard.tables.find("plan/alpha", Plan), self.shard.tables)

    @property
    def is_open(self) -> bool:
        return is_open(self.shard.tables.find("plan/alpha", Plan), self.shard.tables)

    def mined(self, step: str) -> list[Inclusion]:
        """List the transactions of a kind that succeeded on this branch, without cancellations."""
        names = {each.digest.rjust(16, "0") for each in self.commanded(step)}
        own = mined_in(self.chain).items()
        return [i for h, i in own if i.succeeded and h.startswith("0xa") and h[-16:] in names]

    def most_of_a_plan(self, step: str) -> int:
        """Return the largest number of times that a step of one plan has succeeded on this branch."""
        own = mined_in(self.chain)
        plan_of = {each.digest.rjust(16, "0"): each.plan for each in self.commanded(step)}
        plans = [
            plan_of[h[-16:]] for h, i in own.items() if i.succeeded and h[2] == "a" and h[-16:] in plan_of
        ]
        return max(Counter(plans).values(), default=0)

    def transactions_of(self, closed: PlanClosed) -> int:
        """Count a plan's mined transactions on this branch until its end was published, cancellations included."""
        names = {
            each.digest.rjust(16, "0") for each in self.said(SubmitTransaction) if each.plan == closed.plan
        }
        until = closed.because_of.block.number
        own = mined_in(self.chain).items()
        return len([h for h, i in own if h[-16:] in names and i.block_number <= until])

    def liquid(self) -> list[NftPosition]:
        return [nft for nft in self.chain.nfts.values() if nft.owner == OWNER and nft.liquidity]

    def outcomes(self) -> list[AnyPlanOutcome]:
        return [each.outcome for each in self.said(PlanClosed)]

    def until_over(self, market: Market = small_swap, *, wants: Wants = everything, most: int = 60) -> int:
        """Mine blocks until no plan is open and none opens, and return how many."""
        for taken in range(most):
            if not self.is_open and self.said(PlanOpened) and not self.queue:
                return taken
            self.block(market, wants=wants)
        raise AssertionError(f"{most} blocks, and open still: {self.plan}\n{self.sender.refusals[-3:]}")

    def assert_whole(self) -> None:
        """Assert that all liquidity is in one range, that there are no allowances, and that the shard's state equals the chain's."""
        assert not self.said(Quarantined)
        assert len(self.liquid()) == 1, self.outcomes()
        for (_, token, _), amount in self.chain.allowances.items():
            assert amount <= self.book.standing(Address(token)), self.chain.allowances
