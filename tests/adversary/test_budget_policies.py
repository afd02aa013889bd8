"""A policy that somebody else writes to a log is not applied, or nothing is signed under it."""

import msgspec
import pytest
from builders import ROOMY_SIGNER
from chain_desk import ChainDesk, book_on
from msgspec.structs import replace
from sender_house import limits_of

from pipeline.errors import MalformedRecordError
from pipeline.messages.events import PolicySet
from pipeline.messages.policy import Limits, Policy, version_of
from pipeline.messages.transactions import SubmitTransaction
from streams.devnet import actions
from streams.devnet.chain import Chain
from streams.devnet.reads import balance, range_around
from streams.devnet.world import World
from streams.kafka.codec import decode_event, encode
from streams.submit.limits import SignerLimits

ETHER, DOLLAR = 10**18, 10**6
ANYTHING_GOES = Limits(
    max_slippage_bps=9_999,
    max_cost_bps=9_999,
    max_spot_from_twap_log_bps=800_000,
    twap_window_s=48,
    signer=ROOMY_SIGNER,
)


def versioned(policy: Policy) -> Policy:
    return replace(policy, policy_version=version_of(policy))


def forged_from(policy: Policy) -> Policy:
    """Ask for everything: live, no cooldown, whatever it costs."""
    strategy = replace(policy.strategy, cooldown_s=0)
    return replace(policy, mode="live", strategy=strategy, limits=ANYTHING_GOES)


def pinning(world: World, policy: Policy) -> SignerLimits:
    return limits_of(
        world,
        max_loss_bps=500,
        max_spot_from_twap_log_bps=1_500,
        swap_tolerance_bps=300,
        policies={policy.book: policy.policy_version},
    )


def desk_of_a_book_that_only_watches(chain: Chain, world: World) -> ChainDesk:
    """A position about the price, a small purse, and a signer that pins the policy as it is."""
    pool, owner = world.pool("weth_usdc_low_500"), world.accounts.owners[0]
    ticks = range_around(chain, pool, -300, 300)
    chain.execute(actions.mint_position(world, owner, pool, ticks, world.amounts(pool, 20 * ETHER)))
    for token, kept in ((world.weth, ETHER), (world.usdc_of(pool), 3_000 * DOLLAR)):
        had = balance(chain, token, owner)
        chain.execute(actions.transfer(token, owner, "0x" + "00" * 18 + "dead", had - kept))
    chain.rpc("anvil_setBalance", owner, hex(ETHER))
    desk = ChainDesk(chain, world, versioned(book_on(world, pool, owner, mode="watch")))
    desk.limits = pinning(world, desk.book)
    for _ in range(6):
        desk.block()
    return desk


def push(desk: ChainDesk) -> None:
    """Let a trader sell, so that the share leaves its band."""
    trader, pool = desk.world.accounts.traders[0], desk.world.pool("weth_usdc_low_500")
    desk.block(actions.swap_exact_in(desk.world, trader, pool, desk.world.weth, 130 * ETHER))


@pytest.mark.anvil
def test_a_forged_policy_makes_a_book_want_but_moves_nothing(chain: Chain, world: World):
    desk = desk_of_a_book_that_only_watches(chain, world)
    push(desk)
    assert not desk.said(SubmitTransaction)
    nonce = chain.rpc("eth_getTransactionCount", desk.book.owner, "latest")
    desk.append(PolicySet(policy=versioned(forged_from(desk.book))))
    for _ in range(8):
        push(desk)
    assert desk.said(SubmitTransaction), "the worker acts under it: its log says so"
    assert desk.refusals
    assert all("it is made under policy" in str(refusal) for refusal in desk.refusals)
    assert desk.done == []
    assert chain.rpc("eth_getTransactionCount", desk.book.owner, "latest") == nonce


@pytest.mark.anvil
def test_the_pinned_policy_acts_and_a_book_without_a_pin_does_not(chain: Chain, world: World):
    desk = desk_of_a_book_that_only_watches(chain, world)
    chosen = versioned(replace(desk.book, mode="live"))
    desk.limits = pinning(world, chosen)
    desk.append(PolicySet(policy=chosen))
    push(desk)
    wanted = desk.pending[0]
    desk.block()
    assert (desk.done, desk.refusals) == ([wanted], [])
    desk.limits = limits_of(world, policies={"another": chosen.policy_version})
    desk.pending = [wanted]
    desk.block()
    assert "book alpha is not among the policies" in str(desk.refusals[-1])


def test_a_policy_whose_version_is_not_its_digest_is_no_event(world: World):
    chosen = versioned(book_on(world, world.pool("weth_usdc_low_500"), world.accounts.owners[0]))
    assert decode_event(encode(PolicySet(policy=chosen)), where="x") == PolicySet(policy=chosen)
    for forged in (forged_from(chosen), replace(chosen, policy_version=""), replace(chosen, publishes=())):
        if forged == chosen:
            continue
        with pytest.raises(MalformedRecordError, match="is not the digest of the policy"):
            decode_event(encode(PolicySet(policy=forged)), where="events.v1[0]@9")
    assert msgspec.structs.asdict(chosen)["policy_version"] == version_of(chosen)
