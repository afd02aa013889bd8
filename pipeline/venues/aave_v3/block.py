"""Apply a block's logs to a market's accounts and reserves; items without a fault are written at its end."""

from collections.abc import Iterator

from msgspec.structs import replace

from pipeline.errors import ImpossibleFactError
from pipeline.messages.base import RawLog
from pipeline.messages.events import BlockSeen
from pipeline.messages.facts import Fact
from pipeline.messages.read_values import CallRead
from pipeline.state.shard import Shard
from pipeline.units import Address, Seconds
from pipeline.venues.aave_v3 import configuration as bits
from pipeline.venues.aave_v3 import logs
from pipeline.venues.aave_v3.account import position_of
from pipeline.venues.aave_v3.block_prices import keep_told
from pipeline.venues.aave_v3.deployment import AaveDeployment, owners
from pipeline.venues.aave_v3.forms import (
    AaveAccount,
    AaveMarket,
    AavePosition,
    AaveReserve,
    ReserveTokens,
    aave_account,
    aave_market,
    aave_reserve,
    aave_token,
)
from pipeline.venues.aave_v3.revisions import rules_of
from pipeline.venues.aave_v3.rules import VersionRules
from pipeline.venues.port import Decoder, Items
from pipeline.venues.wallet.token_logs import address_of_topic

_USERS_PLACE = {
    logs.COLLATERAL_ENABLED: 2,
    logs.COLLATERAL_DISABLED: 2,
    logs.BORROW: 2,
    logs.RATE_MODE_SWAPPED: 2,
    logs.LIQUIDATION_CALL: 3,
}


class AaveBlock:
    """The accounts and reserves that one block touches."""

    def __init__(self, shard: Shard, items: Items, at: AaveDeployment, at_s: Seconds) -> None:
        """Have touched nothing yet."""
        self.swaps: list[tuple[RawLog, Fact]] = []
        self._shard, self._items, self._at, self._at_s = shard, items, at, at_s
        self._tokens = at.tokens(shard.tables)
        self._accounts: dict[str, AaveAccount] = {}
        self._reserves: dict[str, AaveReserve] = {}

    def decoder(self, emitter: Address) -> Decoder | None:
        """Return what decodes the logs of the market or of a token; what a configurator says is read again, not decoded."""
        if emitter == self._at.pool:
            return logs.decode_pool_log
        if emitter == self._at.configurator:
            return _nothing
        return logs.decode_token_log if emitter in self._tokens else None

    def item_of(self, log: RawLog) -> str:
        """Name the account or reserve that a log is of; a token's log may be of two accounts."""
        if log.address != self._at.pool:
            return aave_token(self._at.pool, log.address)
        place = _USERS_PLACE.get(log.topics[0])
        topic = log.topics[place or 1] if len(log.topics) > (place or 1) else ""
        named = address_of_topic(topic) if topic else Address("")
        return aave_account(self._at.pool, named) if place else aave_reserve(self._at.pool, named)

    def apply(self, log: RawLog, fact: Fact) -> None:
        """Move accounts and reserves by one fact. Raises: PipelineError."""
        match fact:
            case logs.ReserveMoved():
                self._move_reserve(fact)
            case logs.CollateralSwitched():
                self._switch_collateral(fact)
            case logs.StableDebtMade():
                raise ImpossibleFactError(f"a debt of {fact.asset} at a stable rate is not followed")
            case logs.BalanceChanged():
                self._change_balance(self._tokens[log.address], log.address, fact)
            case logs.ScaledMoved():
                for owner, delta in ((fact.sender, -fact.scaled), (fact.recipient, fact.scaled)):
                    self._add_collateral(self._tokens[log.address], owner, delta)

    # -------------------------------------------------------------- reserves
    def _move_reserve(self, fact: logs.ReserveMoved) -> None:
        item = aave_reserve(self._at.pool, fact.asset)
        before = self._reserves.get(item) or self._shard.tables.find(item, AaveReserve)
        if before is None:
            return  # not read yet
        self._reserves[item] = replace(
            before,
            liquidity_index_ray=fact.liquidity_index_ray,
            liquidity_rate_ray=fact.liquidity_rate_ray,
            borrow_index_ray=fact.borrow_index_ray,
            borrow_rate_ray=fact.borrow_rate_ray,
            updated_at_s=self._at_s,
        )

    # -------------------------------------------------------------- accounts
    def _account(self, owner: Address) -> AaveAccount | None:
        """Find an account that is followed and sound."""
        item = aave_account(self._at.pool, owner)
        if self._items.is_closed(item):
            return None
        return self._accounts.get(item) or self._shard.tables.find(item, AaveAccount)

    def _switch_collateral(self, fact: logs.CollateralSwitched) -> None:
        account = self._account(fact.owner)
        if account is not None:
            reserve_id = self._at.reserves(self._shard.tables)[fact.asset].reserve_id
            flags = bits.with_collateral(account.flags, reserve_id, on=fact.on)
            self._accounts[aave_account(self._at.pool, fact.owner)] = replace(account, flags=flags)

    def _change_balance(self, reserve: ReserveTokens, token: Address, fact: logs.BalanceChanged) -> None:
        account = self._account(fact.owner)
        if account is None or fact.change == 0:
            return
        item, rules = aave_account(self._at.pool, fact.owner), self._rules()
        position = position_of(account, reserve.asset)
        try:
            if token == reserve.a_token:
                scaled = rules.collateral_after(position.scaled_collateral, fact.change, fact.index_ray)
                self._accounts[item] = _with(account, replace(position, scaled_collateral=scaled))
            else:
                self._accounts[item] = _with_debt(account, reserve, position, fact, rules)
        except ImpossibleFactError as error:
            self._items.fail(item, f"ImpossibleFactError: {error}")

    def _add_collateral(self, reserve: ReserveTokens, owner: Address, delta: int) -> None:
        account = self._account(owner)
        if account is None:
            return
        item, position = aave_account(self._at.pool, owner), position_of(account, reserve.asset)
        scaled = position.scaled_collateral + delta
        if scaled < 0:
            self._items.fail(item, f"ImpossibleFactError: a transfer of {-delta} scaled leaves {scaled}")
            return
        self._accounts[item] = _with(account, replace(position, scaled_collateral=scaled))

    def _rules(self) -> VersionRules:
        return rules_of(self._shard.tables.need(aave_market(self._at.pool), AaveMarket).revision)

    # -------------------------------------------------------------- the block's end
    def spread_failures(self) -> None:
        """Fail every account in the place of a token of which a log could not be read."""
        for item, reason in list(self._items.take_failed(aave_token.family)):
            pool, _ = aave_token.parse(item)
            if pool != self._at.pool:
                self._items.fail(item, reason)  # of another deployment, which comes behind
                continue
            for account in self._followed():
                self._items.fail(account, reason)

    def _followed(self) -> Iterator[str]:
        for owner in sorted(owners(self._shard.tables)):
            item = aave_account(self._at.pool, owner)
            if self._shard.tables.find(item, AaveAccount) is not None:
                yield item

    def write(self, event: BlockSeen) -> None:
        """Write what has not failed, then the time and the oracle's prices."""
        for item, state in (*self._accounts.items(), *self._reserves.items()):
            if not self._items.failed(item):
                self._shard.tables.put(item, state)
        calls = (each for each in event.reads if isinstance(each, CallRead))
        keep_told(self._shard.tables, self._at, self._at_s, calls)


def _nothing(log: RawLog) -> None:
    del log


def _with(account: AaveAccount, position: AavePosition) -> AaveAccount:
    others = [each for each in account.positions if each.asset != position.asset]
    if position.scaled_collateral or position.scaled_debt:
        others.append(position)
    return replace(account, positions=tuple(sorted(others, key=lambda each: each.asset)))


def _with_debt(
    account: AaveAccount,
    reserve: ReserveTokens,
    position: AavePosition,
    fact: logs.BalanceChanged,
    rules: VersionRules,
) -> AaveAccount:
    """Change a debt, and the flag that says that there is one."""
    before, change, index = position.scaled_debt, fact.change, fact.index_ray
    on = rules.still_borrowing(before, change, index)
    flags = bits.with_borrowing(account.flags, reserve.reserve_id, on=on)
    scaled = rules.debt_after(before, change, index)
    return _with(replace(account, flags=flags), replace(position, scaled_debt=scaled))
