"""The toy future on a devnet: compiled once, deployed, and the actions of its keeper and of strangers."""

from pathlib import Path
from typing import Any

import msgspec

from pipeline.messages.chain_profile import VenueContract, VenueSpec
from pipeline.units import Address
from pipeline.venues.abi import declared, encode_constructor
from streams.devnet import actions
from streams.devnet.artifacts import artifact_of
from streams.devnet.chain import Chain
from streams.devnet.reads import ask
from streams.devnet.solidity import compile_contracts, contract_of
from streams.devnet.transactions import DEPLOY_GAS, Tx
from streams.devnet.world import World
from worlds.toy_perp.half import ACCOUNT, KIND
from worlds.toy_perp.hedge import DEPOSIT, REQUEST, STEP, WITHDRAW
from worlds.toy_perp.rules import ONE

NAME, ETHER, DOLLAR = "future", 10**18, 10**6
CAP = 400 * ETHER
_SOURCE = Path(__file__).with_name("ToyPerp.sol")
_PATH = "toy_perp/ToyPerp.sol"
_APPROVE = declared("approve(address,uint256)")
_WORTH = declared("worth(address)", "int256", "int256")
_EXECUTE, _TAKE = declared("execute(address)"), declared("take(address)")
_CANCEL, _LIQUIDATE = declared("cancel(address,bytes32)"), declared("liquidate(address)")
_LOSE = declared("lose(address)")
_ORDERS = declared("orders()", "uint256")
_SET_PRICE, _SET_FUNDING = declared("setPrice(uint256)"), declared("setFunding(int256)")
_POOLED = 10_000_000 * DOLLAR
"""What the contract has to pay gains with."""


class PerpContract(msgspec.Struct, frozen=True):
    """The future's address, and its keeper's key."""

    at: str
    keeper: str

    @property
    def spec(self) -> VenueSpec:
        contract = VenueContract(role="future", address=Address(self.at))
        return VenueSpec(name=NAME, kind=KIND, contracts=(contract,))

    def _tx(self, function: Any, *arguments: Any, sender: str = "") -> Tx:
        return Tx(sender=sender or self.keeper, to=self.at, data=function.calldata(*arguments))

    def execute(self, account: str) -> Tx:
        return self._tx(_EXECUTE, account)

    def take(self, account: str) -> Tx:
        return self._tx(_TAKE, account)

    def lose(self, account: str) -> Tx:
        return self._tx(_LOSE, account)

    def cancel(self, account: str, reason: str) -> Tx:
        return self._tx(_CANCEL, account, reason.encode().ljust(32, b"\0"))

    def liquidate(self, account: str) -> Tx:
        return self._tx(_LIQUIDATE, account)

    def set_price(self, dollars: float) -> Tx:
        return self._tx(_SET_PRICE, price_of(dollars))

    def set_funding(self, percent_a_year: float) -> Tx:
        """Let longs pay so much of 3,000 dollars a unit; below zero shorts pay."""
        return self._tx(_SET_FUNDING, int(price_of(3_000) * percent_a_year / 100 / 31_536_000))

    def open_short(self, sender: str, size: int, margin: int) -> tuple[Tx, ...]:
        """Let a stranger ask for a short; its order is then executed like any other."""
        return (
            self._tx(DEPOSIT, margin, sender=sender),
            self._tx(REQUEST, size, 0, sender=sender),
            self.execute(sender),
        )

    def order_of(self, chain: Chain, account: str, *, block: int | str = "latest") -> int:
        """Tell the number of the order that an account has open at the end of a block; 0: none."""
        number: int = ask(chain, self.at, ACCOUNT, account, block=block)[4]
        return number

    def orders(self, chain: Chain) -> int:
        """Count the orders that were ever requested."""
        return int(ask(chain, self.at, _ORDERS))

    def truth(self, chain: Chain, account: str, *, block: int | str = "latest") -> tuple[int, int, int]:
        """Tell size, collateral and equity at the end of a block, as the contract does. Collateral less equity: what buying the size back costs."""
        collateral, equity = ask(chain, self.at, _WORTH, account, block=block)
        return ask(chain, self.at, ACCOUNT, account, block=block)[0], collateral, equity


def price_of(dollars: float) -> int:
    """Write a price of an ether as the contract keeps it."""
    return int(dollars * DOLLAR) * ONE // ETHER


def deploy_perp(chain: Chain, world: World, *, cache: Path) -> PerpContract:
    """Deploy it, give it something to pay gains with, and let strangers deposit."""
    own = {_PATH: _SOURCE.read_text()}
    artifact = artifact_of(
        "ToyPerp", contract_of(compile_contracts((_PATH,), own, cache=cache), _PATH, "ToyPerp")
    )
    words = encode_constructor(artifact.abi, world.usdc_low, STEP, CAP, price_of(3_000)).hex()
    sender, keeper = world.accounts.deployer, world.accounts.spare[0]
    data = "0x" + artifact.creation_code + words
    (receipt,) = chain.execute(Tx(sender=sender, to="", data=data, gas=DEPLOY_GAS))
    made = PerpContract(receipt.contract, keeper)
    chain.execute(actions.transfer(world.usdc_low, world.accounts.traders[2], made.at, _POOLED))
    everything = _APPROVE.calldata(made.at, 2**255)
    chain.execute(*(Tx(sender=each, to=world.usdc_low, data=everything) for each in world.accounts.traders))
    return made


__all__ = ["CAP", "NAME", "WITHDRAW", "PerpContract", "deploy_perp", "price_of"]
