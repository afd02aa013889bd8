"""Random forged calls of Aave V3: plausible ones, ones in favour of others, and malformed ones."""

import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from msgspec.structs import replace

from pipeline.messages.transactions import Call
from pipeline.units import Address, Wei
from pipeline.venues.abi import declared, function
from streams.devnet.aave import ACCOUNT_DATA, MOST, VARIABLE, AaveContracts
from streams.devnet.chain import Chain
from streams.devnet.reads import ask, balance, read

_PERMIT = "uint256,uint8,bytes32,bytes32"
LISTED = {
    called.partition("(")[0]: declared(called)
    for called in (
        "supply(address,uint256,address,uint16)",
        "borrow(address,uint256,uint256,uint16,address)",
        "repay(address,uint256,uint256,address)",
        "withdraw(address,uint256,address)",
        "setUserUseReserveAsCollateral(address,bool)",
        "setUserEMode(uint8)",
    )
}
"""What a signer may sign of a pool, by name."""
_UNLISTED = (
    *(
        f"supplyWithPermit(address,uint256,address,uint16,{_PERMIT})",
        "deposit(address,uint256,address,uint16)",
    ),
    *(
        f"repayWithPermit(address,uint256,uint256,address,{_PERMIT})",
        "repayWithATokens(address,uint256,uint256)",
    ),
    "flashLoan(address,address[],uint256[],uint256[],address,bytes,uint16)",
    "flashLoanSimple(address,address,uint256,bytes,uint16)",
    "liquidationCall(address,address,address,uint256,bool)",
    *("swapBorrowRateMode(address,uint256)", "rebalanceStableBorrowRate(address,address)"),
    *("mintUnbacked(address,uint256,address,uint16)", "backUnbacked(address,uint256,uint256)"),
    *("approvePositionManager(address,bool)", "setUserEModeOnBehalfOf(uint8,address)"),
    "setUserUseReserveAsCollateralOnBehalfOf(address,bool,address)",
    *("supply(bytes32)", "borrow(bytes32)", "repay(bytes32)", "withdraw(bytes32)"),
    *("multicall(bytes[])", "mintToTreasury(address[])", "rescueTokens(address,address,uint256)"),
)
_OF_SHARES = (
    *("transfer(address,uint256)", "transferFrom(address,address,uint256)", "approve(address,uint256)"),
    *("increaseAllowance(address,uint256)", f"permit(address,address,uint256,{_PERMIT})"),
    *("approveDelegation(address,uint256)", f"delegationWithSig(address,address,uint256,{_PERMIT})"),
)
_EDGES = (0, 1, 2, MOST, MOST - 1, 2**128, 2**255)
_RATE_MODES = (0, 1, 3, 2**8 + VARIABLE, 2**255 + VARIABLE)
_TIMED_MULTICALL = function("uniswap-v3/SwapRouter02", "multicall", arguments="uint256,bytes[]")
_PRICE = declared("getAssetPrice(address)", "uint256")
_WORD = 64
"""Hexadecimal digits."""


class Target(NamedTuple):
    """Who is to be robbed where, and who else there is."""

    chain: Chain
    market: AaveContracts
    owner: str
    stranger: str
    foreign_token: str
    """A token that is not on the signer's list."""
    foreign_pools: Sequence[str]
    """Lending pools that are not on the list."""
    router: str
    deadline_s: int


class ForgedCall(NamedTuple):
    """A call, and what about it is wanted or wrong."""

    kind: str
    call: Call


class LendingForger:
    """Draws calls: half of them plausible ones of the listed functions, for amounts that may be far too large."""

    def __init__(self, dice: random.Random, target: Target) -> None:
        self._dice, self._at = dice, target

    def draw(self) -> ForgedCall:
        """Draw a call; one in five has other bytes than its arguments encode to, or carries native coin."""
        way = self._dice.choices(list(_WAYS), [weight for _, weight in _WAYS.values()])[0]
        forged = ForgedCall(way, _WAYS[way][0](self))
        return self._bent(forged) if self._dice.random() < 0.2 else forged

    # -------------------------------------------------------------- arguments
    @property
    def _listed_assets(self) -> tuple[str, str]:
        return self._at.market.weth.asset, self._at.market.usdc.asset

    def _asset(self) -> str:
        market = self._at.market
        others = (self._at.foreign_token, market.weth.a_token, market.usdc.debt_token)
        return self._dice.choice(self._listed_assets if self._dice.random() < 0.9 else others)

    def _amount(self, asset: str) -> int:
        """Draw an amount: mostly about what a file of tens of WETH, or as many thousands of dollars, lets pass."""
        if self._dice.random() < 0.25:
            return self._dice.choice(_EDGES)
        whole = 10**18 if asset == self._at.market.weth.asset else 3_000 * 10**6
        return int(whole * 10 ** self._dice.uniform(-3, 2))

    def _amount_of(self, name: str, asset: str) -> int:
        """Draw an amount for a listed function: half of the time some share of the most that chain and market would let pass."""
        if self._dice.random() < 0.5 or asset not in self._listed_assets:
            return self._amount(asset)
        chain, owner, reserve = self._at.chain, self._at.owner, self._at.market.reserve(asset)
        if name == "borrow":
            most = borrowable(chain, self._at.market, owner, asset)
        else:
            held = {"supply": asset, "repay": reserve.debt_token, "withdraw": reserve.a_token}
            most = balance(chain, held[name], owner)
        return int(most * self._dice.uniform(0, 1.05))

    def _party(self) -> str:
        """Name the owner mostly: anybody else makes the call another's."""
        others = (self._at.stranger, self._at.market.pool, "0x" + "00" * 20, self._at.market.usdc.a_token)
        return self._at.owner if self._dice.random() < 0.8 else self._dice.choice(others)

    def _rate_mode(self) -> int:
        return VARIABLE if self._dice.random() < 0.85 else self._dice.choice(_RATE_MODES)

    def _arguments(self, name: str) -> tuple[object, ...]:
        if name == "setUserEMode":
            return (self._dice.choice((0, 0, 1, 2, 255)),)
        asset = self._asset()
        if name == "setUserUseReserveAsCollateral":
            return asset, self._dice.random() < 0.5
        amount, party = self._amount_of(name, asset), self._party()
        referral = self._dice.choice((0, 0, 7, 65_535))
        arguments: Mapping[str, tuple[object, ...]] = {
            "supply": (asset, amount, party, referral),
            "borrow": (asset, amount, self._rate_mode(), referral, party),
            "repay": (asset, amount, self._rate_mode(), party),
            "withdraw": (asset, amount, party),
        }
        return arguments[name]

    def _of_type(self, wanted: str) -> object:
        """Draw something for an argument of any other function."""
        if wanted.endswith("[]"):
            return [self._of_type(wanted.removesuffix("[]"))]
        made: Mapping[str, Callable[[], object]] = {
            "address": lambda: self._dice.choice((self._asset(), self._party(), self._at.stranger)),
            "bool": lambda: self._dice.random() < 0.5,
            "bytes": lambda: bytes.fromhex(self._listed().data[2:]),
            "bytes32": lambda: self._dice.randbytes(32),
            "uint8": lambda: self._dice.choice((0, 1, 27, 28)),
            "uint16": lambda: 0,
            "uint256": lambda: self._dice.choice(
                (VARIABLE, self._at.deadline_s, self._amount(self._asset()))
            ),
        }
        return made[wanted]()

    # -------------------------------------------------------------- calls
    def _listed(self, name: str = "", to: str = "") -> Call:
        name = name or self._dice.choice(list(LISTED))
        return _call(to or self._at.market.pool, LISTED[name].calldata(*self._arguments(name)))

    def _any_of(self, functions: Sequence[str], to: str) -> Call:
        called = declared(self._dice.choice(functions))
        return _call(to, called.calldata(*map(self._of_type, called.inputs)))

    def _unlisted(self) -> Call:
        return self._any_of(_UNLISTED, self._at.market.pool)

    def _of_shares(self) -> Call:
        market = self._at.market
        shares = [token for each in (market.weth, market.usdc) for token in (each.a_token, each.debt_token)]
        return self._any_of(_OF_SHARES, self._dice.choice(shares))

    def _of_token(self) -> Call:
        return self._any_of(_OF_SHARES, self._dice.choice(self._listed_assets))

    def _allowance(self) -> Call:
        asset = self._asset()
        spender = self._dice.choice((*[self._at.market.pool] * 3, self._at.stranger, *self._at.foreign_pools))
        return _call(asset, declared("approve(address,uint256)").calldata(spender, self._amount(asset)))

    def _elsewhere(self) -> Call:
        market = self._at.market
        others = (
            *self._at.foreign_pools,
            market.oracle,
            market.configurator,
            market.prices,
            self._at.stranger,
        )
        return self._listed(to=self._dice.choice(others))

    def _routed(self) -> Call:
        inner = [bytes.fromhex(self._listed().data[2:])]
        return _call(self._at.router, _TIMED_MULTICALL.calldata(self._at.deadline_s, inner))

    # -------------------------------------------------------------- bytes
    def _bent(self, forged: ForgedCall) -> ForgedCall:
        way = self._dice.choice(list(_BENDS))
        data = _BENDS[way](self._dice, forged.call.data)
        call = replace(forged.call, data=data)
        return ForgedCall(
            f"{forged.kind}, {way}", call if data != forged.call.data else replace(call, value_wei=Wei(1))
        )


def borrowable(chain: Chain, market: AaveContracts, owner: str, asset: str) -> int:
    """Tell how much of a token the market itself would lend the owner now, in the token's raw units. Rounds: down."""
    available_base = ask(chain, market.pool, ACCOUNT_DATA, owner)[2]
    price_base = ask(chain, market.oracle, _PRICE, asset)
    decimals = read(chain, asset, "tokens/ERC20", "decimals")
    return int(available_base * 10**decimals // price_base)


def _call(to: str, data: str) -> Call:
    return Call(to=Address(to), data=data, gas_limit=800_000)


def _flipped(dice: random.Random, data: str) -> str:
    at = dice.randrange(2, len(data))
    return data[:at] + dice.choice("0123456789abcdef".replace(data[at], "")) + data[at + 1 :]


def _with_dirty_word(dice: random.Random, data: str) -> str:
    """Set a bit of a word outside its type's range, if the type is not a whole word."""
    words = (len(data) - 10) // _WORD
    at = 10 + _WORD * dice.randrange(words) if words else 2
    return data[:at] + ("8" if data[at] == "0" else "0") + data[at + 1 :]


_BENDS: Mapping[str, Callable[[random.Random, str], str]] = {
    "with a tail": lambda dice, data: data + dice.randbytes(dice.choice((1, 4, 32))).hex(),
    "cut short": lambda dice, data: data[: 2 * dice.randrange(1, len(data) // 2)],
    "with a digit changed": _flipped,
    "with a dirty word": _with_dirty_word,
    "with native coin": lambda _, data: data,
}
_OFTEN = {"borrow": 12, "withdraw": 9, "repay": 8, "supply": 6}
_WAYS: Mapping[str, tuple[Callable[[LendingForger], Call], int]] = {
    **{name: (partial(LendingForger._listed, name=name), _OFTEN.get(name, 4)) for name in LISTED},
    "a function that is not listed": (LendingForger._unlisted, 12),
    "a call of collateral or debt tokens": (LendingForger._of_shares, 8),
    "a call of a token": (LendingForger._of_token, 4),
    "an allowance": (LendingForger._allowance, 8),
    "a pool elsewhere": (LendingForger._elsewhere, 5),
    "through the router": (LendingForger._routed, 3),
}
