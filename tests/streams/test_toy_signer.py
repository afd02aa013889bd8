"""The signer's judge at a venue that only tests know: what the venue's signer half allows passes, and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_world import DOLLAR, WRAPPED, address, topic
from intents import intent, wide_budget
from msgspec.structs import replace
from signer_limits import signer_limits
from worlds.toy_venue.actions import DEPOSIT, TRADE
from worlds.toy_venue.contract import CONTRACT, ETHER, ID, OTHER_ID, OWNER, STRANGER, USD, ToyContract
from worlds.toy_venue.forms import MOVED_TOPIC
from worlds.toy_venue.half import KIND
from worlds.toy_venue.node import ToySenderNode
from worlds.toy_venue.signer import SIGNER_HALF

from pipeline.act.allowances import write_approve
from pipeline.errors import SettingsError
from pipeline.messages.transactions import SubmitTransaction
from pipeline.sign.nonces import new_account
from pipeline.venues.wallet.token_logs import TRANSFER_TOPIC
from streams.node.fake import FakeChain, FakeLog
from streams.node.multicall import MULTICALL3
from streams.submit.file_limits import read_limits
from streams.submit.judge import Approved, Judge
from streams.submit.limits import SignerLimits
from streams.submit.signer_file import SignerFile, load_signer_file
from streams.submit.signer_state import SignerState
from streams.submit.venues.registry import HALVES
from streams.submit.verdict import Refusal

FILE = f"""\
chain: 31337
devnet_account: "{OWNER}"
wrapped_native: "{WRAPPED}"
venues:
  - {{name: toys, kind: toy, contract: "{CONTRACT}", pools: ["{ID}"], token0: "{WRAPPED}", token1: "{DOLLAR}"}}
budget_token: "{DOLLAR}"
max_loss_per_day: 300
max_notional: 50000
max_notional_per_day: 500000
"""


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HALVES, KIND, SIGNER_HALF)


class Toys:
    """A signer whose file names the toy venue, and the chain in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.toy = ToyContract(FakeChain())
        self.node = ToySenderNode(self.toy)
        chain = self.toy.chain
        chain.mine(self.toy.provide(STRANGER, 1_000 * ETHER, 3_000_000 * USD))
        chain.mine(self.toy.called(WRAPPED, write_approve(CONTRACT, 10 * ETHER)))
        chain.mine(self.toy.called(DOLLAR, write_approve(CONTRACT, 30_000 * USD)))

    def file(self, text: str = FILE) -> SignerFile:
        path = self.folder / "signer.yaml"
        path.write_text(text)
        path.chmod(0o600)
        return load_signer_file(path)

    async def limits(self) -> SignerLimits:
        return await read_limits(self.node, self.file(), None)

    async def judge(self, asked: SubmitTransaction, limits: SignerLimits | None = None) -> Approved:
        judge = Judge(self.node, limits or await self.limits(), multicall=MULTICALL3, stop_of=lambda _: None)
        return await judge.judge(asked, SignerState(account=new_account(OWNER, 0)), self.node.view())

    async def refusal(self, asked: SubmitTransaction, limits: SignerLimits | None = None) -> Refusal:
        with pytest.raises(Refusal) as refused:
            await self.judge(asked, limits)
        return refused.value

    def asked(self, data: str, to: str = CONTRACT) -> SubmitTransaction:
        return intent(signer=OWNER, to=to, data=data, made_at=self.toy.chain.head.block)


@pytest.fixture
def toys(tmp_path: Path) -> Iterator[Toys]:
    return Toys(tmp_path)


def trade(ether: int, usd: int, pool: str = ID) -> str:
    return TRADE.calldata(bytes.fromhex(pool[2:]), ether, usd)


def deposit(ether: int, usd: int, pool: str = ID) -> str:
    return DEPOSIT.calldata(bytes.fromhex(pool[2:]), ether, usd)


async def test_its_trade_its_deposit_and_their_allowances_are_signed(toys: Toys) -> None:
    sold = await toys.judge(toys.asked(trade(ETHER, -2_990 * USD)))
    assert (sold.charge.token, sold.charge.loss, sold.charge.notional) == (DOLLAR, 10 * USD, 3_000 * USD)
    assert sold.charge.actions == 1
    brought = await toys.judge(toys.asked(deposit(ETHER, 3_000 * USD)))
    assert (brought.charge.loss, brought.charge.notional) == (0, 6_000 * USD), "it has become shares"
    allowed = await toys.judge(toys.asked(write_approve(CONTRACT, ETHER), to=WRAPPED))
    assert (allowed.charge.notional, allowed.charge.actions) == (0, 0)


async def test_a_forged_one_is_refused(toys: Toys) -> None:
    forged = {
        "it may lose 333 bps": toys.asked(trade(ETHER, -2_900 * USD)),
        f"trade in pool {OTHER_ID}: not on the list": toys.asked(trade(ETHER, -2_990 * USD, OTHER_ID)),
        f"deposit in pool {OTHER_ID}": toys.asked(deposit(ETHER, 0, OTHER_ID)),
        f"of {CONTRACT} is not on the list": toys.asked(write_approve(CONTRACT, 1)),
        "are not what they encode to": toys.asked(trade(ETHER, -2_990 * USD) + "00"),
        f"contract {STRANGER} is not on the list": toys.asked(trade(ETHER, -2_990 * USD), to=STRANGER),
        f"approve of {DOLLAR} for {STRANGER}": toys.asked(write_approve(STRANGER, 1), to=DOLLAR),
        "raw notional, at most": toys.asked(trade(17 * ETHER, -50_900 * USD)),
    }
    toys.toy.chain.mine(toys.toy.called(WRAPPED, write_approve(CONTRACT, 100 * ETHER)))
    forged = {says: replace(each, made_at=toys.toy.chain.head.block) for says, each in forged.items()}
    told = {says: str(await toys.refusal(each)) for says, each in forged.items()}
    assert {says: found for says, found in told.items() if says not in found} == {}
    reasons = {(await toys.refusal(each)).reason for each in forged.values()}
    assert reasons == {"limits", "malformed"}


async def test_what_it_moves_beside_tokens_and_shares_is_refused(toys: Toys) -> None:
    other = address(0x999)
    gone = FakeLog(
        address=other, topics=(TRANSFER_TOPIC, topic(OWNER), topic(STRANGER)), data="0x" + "00" * 32
    )
    toys.node.beside = lambda: (gone,)
    refusal = await toys.refusal(toys.asked(trade(ETHER, -2_990 * USD)))
    assert (refusal.reason, f"{other} moves from the owner" in refusal.detail) == ("limits", True)


async def test_a_call_elsewhere_that_touches_shares_is_refused(toys: Toys) -> None:
    """An approval in which somebody's token calls back, and the owner's shares go."""
    burnt = FakeLog(address=CONTRACT, topics=(MOVED_TOPIC, ID, topic(OWNER)), data="0x" + "00" * 96)
    toys.node.beside = lambda: (burnt,)
    refusal = await toys.refusal(toys.asked(write_approve(CONTRACT, ETHER), to=WRAPPED))
    assert (refusal.reason, f"it also changes shares of {ID}" in refusal.detail) == ("limits", True)


async def test_a_signer_whose_file_does_not_name_it_refuses_it(toys: Toys) -> None:
    usual = await toys.limits()
    without = signer_limits(
        wrapped_native=WRAPPED,
        budget=usual.budget,
        router=address(1),
        position_manager=address(2),
        pools=(),
    )
    for asked in (toys.asked(trade(ETHER, -2_990 * USD)), toys.asked(write_approve(CONTRACT, 1), to=DOLLAR)):
        refusal = await toys.refusal(asked, without)
        assert (refusal.reason, "is not on the list" in refusal.detail) == ("limits", True)


async def test_what_no_venue_prices_in_the_budgets_token_is_refused(toys: Toys) -> None:
    limits = replace(await toys.limits(), budget=wide_budget(address(0x998)))
    refusal = await toys.refusal(toys.asked(trade(ETHER, -2_990 * USD)), limits)
    assert (refusal.reason, f"prices {DOLLAR}" in refusal.detail) == ("market", True)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("kind: toy,", "kind: toyy,", "5:24: venues[0].kind: toyy is not a kind of venue; did you mean toy?"),
        ("token0:", "token9:", "venues[0].token9: unknown field; did you mean token"),
        (f'pools: ["{ID}"]', "pools: []", "venues[0].pools: "),
        ("name: toys, ", "", "venues[0].name: missing"),
    ],
)
def test_an_entry_of_the_file_is_checked_by_its_kind(toys: Toys, old: str, new: str, says: str) -> None:
    with pytest.raises(SettingsError) as refused:
        toys.file(FILE.replace(old, new))
    assert says in str(refused.value)
    assert toys.file().names_pool(ID)
    assert not toys.file().names_pool(OTHER_ID)
