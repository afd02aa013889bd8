"""`check`, `apply` and `doctor` ask the node about contracts and tokens, and name book, token and line."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from chain_plans import DOLLAR, ETHER
from ens_names import place_ens
from odd_tokens import place_token, token_code
from sender_house import CHAIN_IDS

from pipeline.venues.abi import function
from streams.devnet import actions
from streams.devnet.chain import Chain, start_chain
from streams.devnet.deployer import Deployer
from streams.devnet.reads import balance, range_around, read, slot0
from streams.devnet.transactions import Tx
from streams.devnet.world import World
from streams.human_numbers import short

pytestmark = pytest.mark.anvil

ODD = "0x" + "ff" * 18 + "0dd1"
FILE = """\
chain:
  id: {chain}
  live_on: {chain}
  factory: "{factory}"
  position_manager: "{manager}"
  router: "{router}"
  wrapped_native: "{weth}"
books:
  - book: alpha
    owner: "{owner}"
    base: WETH
    quote: USDC
    tokens:
      - {{symbol: WETH, address: "{weth}", decimals: 18}}
      - {{symbol: USDC, address: "{usdc}", decimals: 6}}
      - {{symbol: ODD, address: "{odd}", decimals: 6}}
    pools: ["{pool}"]
    reference_pool: "{pool}"
    rerange: {{half_width: {half}}}
    strategy: {{name: target_band}}
    limits: {{max_notional: 1000, max_daily_notional: 5000}}
    mode: {mode}
"""


@pytest.fixture
def chain(built: tuple[World, Path, str], tmp_path: Path, cache: Path) -> Iterator[Chain]:
    """A chain with an id of its own, for topics of its own."""
    with start_chain(tmp_path / "chain", cache=cache, state=built[1], chain_id=next(CHAIN_IDS)) as running:
        yield running


@pytest.fixture
def desk(chain: Chain, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, evenkeel):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVENKEEL_RPC_URL", chain.url)
    monkeypatch.setenv("EVENKEEL_CHAIN_ID", str(chain.chain_id))

    def check(
        *words: str,
        changes: Iterable[tuple[str, str]] = (),
        mode: str = "dry-run",
        half: str = "6%",
        owner: str = "",
        odd: str = ODD,
        **contracts: str,
    ) -> tuple[int, str]:
        text = FILE.format(
            chain=chain.chain_id,
            factory=contracts.get("factory", world.factory),
            manager=contracts.get("manager", world.position_manager),
            router=contracts.get("router", world.router),
            weth=world.weth,
            usdc=world.usdc_low,
            odd=odd,
            owner=owner or world.accounts.owners[0],
            pool=world.pool("weth_usdc_low_500").address,
            half=half,
            mode=mode,
        )
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "portfolio.yaml").write_text(text)
        done = evenkeel(*(words or ("check",)))
        return done.code, done.err + done.out

    return check


def test_tokens_of_the_usual_kind_pass(desk, world):
    code, told = desk(odd=world.usdc_high, mode="live")
    assert code == 0
    assert told.startswith("the node reports no problem with its tokens and pools\n")


HABITS = {
    "takes a fee on transfers": token_code(silent=True, fee_bps=5),
    "is a rebasing one: it answers sharesOf": token_code(answers="sharesOf(address)"),
    "is a rebasing one: it answers UNDERLYING": token_code(answers="UNDERLYING_ASSET_ADDRESS()"),
}


@pytest.mark.parametrize("mode", ["live", "dry-run", "watch"])
@pytest.mark.parametrize("says", HABITS)
def test_a_token_that_cannot_be_kept_is_refused_by_line_book_and_token(desk, chain, world, says, mode):
    place_token(chain, ODD, HABITS[says])
    pool = world.pool("weth_usdc_low_500")
    chain.execute(actions.mint_usdc(ODD, world.accounts.deployer, pool.address, 10**12))
    failed, err = desk(mode=mode)
    assert failed == 1
    assert "portfolio.yaml:16:" in err
    assert f"books[0].tokens[2]: ODD: token {ODD} " in err
    assert says in err
    assert "book alpha cannot keep it" in err


def test_a_tax_on_sales_alone_is_found_on_the_way_back(desk, chain, world):
    pool = world.pool("weth_usdc_low_500")
    place_token(chain, ODD, token_code(fee_bps=100, taxed=pool.address))
    chain.execute(actions.mint_usdc(ODD, world.accounts.deployer, pool.address, 10**12))
    failed, err = desk()
    assert failed == 1
    assert "takes a fee on transfers" in err


def test_a_token_that_returns_nothing_passes(desk, chain, world):
    place_token(chain, ODD, token_code(silent=True, races=False))
    pool = world.pool("weth_usdc_low_500")
    chain.execute(actions.mint_usdc(ODD, world.accounts.deployer, pool.address, 10**12))
    assert desk(mode="live")[0] == 0


def test_an_owner_that_is_a_contract_may_not_be_live(desk, world):
    failed, err = desk(odd=world.usdc_high, mode="live", owner=world.callee)
    assert failed == 1
    assert f"portfolio.yaml:10:12: books[0].owner: {world.callee} is a contract" in err
    assert desk(odd=world.usdc_high, owner=world.callee)[0] == 0


def test_a_range_narrower_than_the_grid_of_its_pool_is_refused(desk, world):
    failed, err = desk(odd=world.usdc_high, half="0.09%")
    assert failed == 1
    assert "books[0].rerange.half_width: 0.09% is narrower than the reference pool allows, 0.1%" in err
    assert desk(odd=world.usdc_high, half="0.1%")[0] == 0


def test_a_node_that_does_not_answer_stops_nobody(desk, world, monkeypatch):
    monkeypatch.setenv("EVENKEEL_RPC_URL", "http://127.0.0.1:1")
    code, err = desk(odd=world.usdc_high)
    assert code == 0
    assert "the node was not asked what the tokens are" in err


@pytest.mark.kafka
@pytest.mark.usefixtures("wide")
def test_who_applies_without_a_node_is_told_by_the_doctor(desk, chain, world, monkeypatch, old_router):
    """`apply` refuses it; past it, without a node, the watcher still does not observe it, and the doctor says why."""
    place_token(chain, ODD, token_code(silent=True, fee_bps=5))
    pool = world.pool("weth_usdc_low_500")
    chain.execute(actions.mint_usdc(ODD, world.accounts.deployer, pool.address, 10**12))
    failed, told = desk("apply")
    assert (failed, "ODD: token" in told) == (1, True)
    monkeypatch.setenv("EVENKEEL_RPC_URL", "http://127.0.0.1:1")
    assert desk("apply")[0] == 0
    monkeypatch.setenv("EVENKEEL_RPC_URL", chain.url)
    failed, told = desk("doctor")
    assert failed == 1
    (row,) = (line for line in told.splitlines() if line.startswith("transfers"))
    assert "WRONG" in row
    assert f"book alpha: ODD: token {ODD} takes a fee on transfers" in row

    other = {"router": old_router, "odd": world.usdc_high}
    failed, told = desk("apply", **other)
    assert (failed, f"chain.router: {old_router} does not take the swap" in told) == (1, True)
    monkeypatch.setenv("EVENKEEL_RPC_URL", "http://127.0.0.1:1")
    assert desk("apply", **other)[0] == 0
    monkeypatch.setenv("EVENKEEL_RPC_URL", chain.url)
    failed, told = desk("doctor", **other)
    assert failed == 1
    (row,) = (line for line in told.splitlines() if line.startswith("contracts"))
    assert "WRONG" in row
    assert f"book alpha: router: {old_router} does not take the swap" in row


# ------------------------------------------------------------------ names in place of addresses
@pytest.fixture
def wide(broker, monkeypatch):
    monkeypatch.setenv("EVENKEEL_BROKER", broker.bootstrap_servers)
    monkeypatch.setenv("COLUMNS", "400")


@pytest.mark.kafka
@pytest.mark.usefixtures("wide")
def test_a_name_is_resolved_shown_and_applied_as_the_address_that_it_stands_for(desk, chain, world, cache):
    """Moved afterwards, it is refused by line and field until somebody says that this is meant."""
    deployer, first, second = world.accounts.deployer, *world.accounts.owners[:2]
    pool = world.pool("weth_usdc_low_500").address
    named = ((f'owner: "{first}"', "owner: treasury.eth"), (f'pools: ["{pool}"]', "pools: [low.pools.eth]"))

    def told_by(*words: str) -> tuple[int, str]:
        return desk(*words, changes=named, odd=world.usdc_high)

    where = "portfolio.yaml:10:12: books[0].owner: treasury.eth"
    code, told = told_by("check")
    assert (code, f"{where} cannot be resolved: this chain has no ENS registry" in told) == (1, True)
    ens = place_ens(chain, deployer, cache)
    ens.point("low.pools.eth", pool)
    code, told = told_by("check")
    assert code == 1
    assert f"{where} does not resolve: it has no resolver" in told
    assert "low.pools.eth" not in told
    ens.point("treasury.eth", "0x" + "00" * 20)
    assert f"{where} does not resolve: its resolver {ens.resolver} knows no address" in told_by("check")[1]
    ens.point("treasury.eth", first)
    code, told = told_by("check")
    assert (code, f"{short(first)} (treasury.eth)" in told) == (0, True)
    assert f"{short(pool)} (low.pools.eth)" in told
    code, told = told_by("apply")
    assert (code, f"owner {short(first)} (treasury.eth)" in told) == (0, True)
    assert "as it is" in told_by("apply")[1]
    code, told = desk("apply", "--dry-run", odd=world.usdc_high)
    changes = f"owner {short(first)} (treasury.eth) -> {short(first)}; accounts"
    assert (code, changes in told) == (0, True), "the very address was applied, and the name beside it"

    ens.point("treasury.eth", second)
    code, told = told_by("apply")
    assert code == 1
    assert f"{where} stands for {second} now, and stood for {first} when book alpha was applied" in told
    changes = f"owner {short(first)} (treasury.eth) -> {short(second)} (treasury.eth)"
    assert changes in told_by("apply", "--dry-run")[1]
    code, told = told_by("apply", "--moved-names")
    assert (code, changes in told) == (0, True)


def test_a_name_on_the_command_line_is_resolved_too(desk, chain, world, cache):
    ens = place_ens(chain, world.accounts.deployer, cache)
    ens.point("keeper.eth", world.accounts.owners[0])
    code, told = desk("topics", "acls", "submit", "--signer", "keeper.eth")
    assert (code, world.accounts.owners[0] in told) == (0, True)
    code, told = desk("topics", "acls", "submit", "--signer", "nobody.eth")
    assert (code, "--signer: nobody.eth does not resolve" in told) == (1, True)
    code, told = desk("topics", "acls", "submit", "--signer", "Keeper.eth")
    assert (code, "only names of a-z, 0-9 and hyphens are" in told) == (1, True)


def test_a_name_is_not_taken_for_unknown_where_no_node_answers(desk, world, monkeypatch):
    monkeypatch.setenv("EVENKEEL_RPC_URL", "http://127.0.0.1:1")
    code, told = desk(owner="treasury.eth", odd=world.usdc_high)
    assert (code, told) == (
        1,
        "error: treasury.eth: not resolved: eth_chainId: no answer from 127.0.0.1:1: connection refused\n",
    )


# ------------------------------------------------------------------ the contracts of the profile
@pytest.fixture
def old_router(chain, world, cache) -> str:
    """The first router of the protocol: its deadline is in the swap's struct."""
    return Deployer(chain, world.accounts.deployer, cache).deploy(
        "uniswap-v3/SwapRouter", world.factory, world.weth
    )


@pytest.mark.parametrize("mode", ["live", "dry-run"])
def test_a_router_that_does_not_take_our_swap_is_refused(desk, world, old_router, mode):
    failed, err = desk(odd=world.usdc_high, mode=mode, router=old_router)
    assert failed == 1
    assert "portfolio.yaml:6:" in err
    assert f"chain.router: {old_router} does not take the swap of a plan" in err


def test_every_other_contract_is_tried_too(desk, world):
    stranger = world.callee
    for names, says in (
        ({"router": stranger}, f"chain.router: {stranger} takes a swap's input and pays nothing"),
        ({"router": world.quoter}, f"chain.router: {world.quoter} does not take the swap"),
        ({"router": "0x" + "00" * 19 + "99"}, "pays nothing"),
        ({"manager": world.router}, "chain.position_manager: "),
        ({"factory": world.position_manager}, "chain.factory: "),
        ({"factory": stranger}, "chain.factory: "),
    ):
        failed, err = desk(odd=world.usdc_high, mode="live", **names)
        assert failed == 1, names
        assert says in err, (names, err)


def test_a_book_that_is_only_watched_acts_through_nothing(desk, world, old_router):
    assert desk(odd=world.usdc_high, mode="watch", router=old_router)[0] == 0


# ------------------------------------------------------------------ what is allowed already
def test_what_spenders_may_take_already_is_named(desk, chain, world):
    owner = world.accounts.owners[0]
    approve = function("tokens/ERC20", "approve")
    allowed = {
        (token, spender): 0
        for token in (world.weth, world.usdc_low)
        for spender in (world.router, world.position_manager)
    }
    allowed |= {(world.weth, world.router): 2**256 - 1, (world.usdc_low, world.position_manager): 7_500_000}
    chain.execute(
        *(Tx(sender=owner, to=t, data=approve.calldata(s, amount)) for (t, s), amount in allowed.items())
    )
    code, told = desk(odd=world.usdc_high, mode="live")
    assert code == 0
    said = [line for line in told.splitlines() if " already lets " in line]
    assert said == [
        f"book alpha: {owner} already lets the router take any amount of WETH, and lets the position manager take 7.500000 USDC"
    ]
    assert " already lets " not in desk(odd=world.usdc_high, mode="watch")[1]
    for bound, says in ((8, "within"), (7, "more than")):
        changes = [("rerange: {", f"rerange: {{standing_quote: {bound}, ")]
        told = desk(odd=world.usdc_high, mode="live", changes=changes)[1]
        assert f"7.500000 USDC ({says} the {bound}.000000 USDC that its policy lets stand)" in told


@pytest.mark.parametrize("mode", ["dry-run", "watch"])
def test_what_the_chain_contradicts_is_named_field_by_field(desk, world, mode):
    low, high = (world.pool(f"weth_usdc_{name}_500").address for name in ("low", "high"))
    stranger = world.accounts.owners[1]
    code, told = desk(
        odd=world.usdc_high,
        mode=mode,
        changes=[
            ("decimals: 18}", "decimals: 8}"),
            (f'pools: ["{low}"]', f'pools: ["{low}", "{stranger}"]'),
            (f'reference_pool: "{low}"', f'reference_pool: "{high}"'),
        ],
    )
    assert code == 1
    assert "portfolio.yaml:14:" in told
    assert f"books[0].tokens[0].decimals: 8, but WETH at {world.weth} has 18" in told
    assert f"books[0].pools[1]: {stranger} is no Uniswap V3 pool" in told
    assert "books[0].reference_pool: it trades " in told
    assert "ODD" in told.partition("reference_pool: ")[2]
    assert "not base and quote" in told


def test_a_pool_of_tokens_that_the_book_does_not_name_and_one_of_another_factory_are_named(desk, world):
    high = world.pool("weth_usdc_high_500").address
    code, told = desk(
        changes=[
            (f'      - {{symbol: ODD, address: "{ODD}", decimals: 6}}\n', ""),
            ("    pools: [", f'    pools: ["{high}", '),
        ]
    )
    assert code == 1
    assert "books[0].pools[0]: it trades " in told
    assert f"{world.usdc_high} is not among the book's tokens" in told


# ------------------------------------------------------------------ which size fits
def test_check_says_which_size_of_a_book_its_pool_takes(desk, chain, world):
    """Of what others hold within 1 % of the price, a share; where the book is larger, that its plans would be refused."""
    pool, owner = world.pool("weth_usdc_low_500"), world.accounts.owners[0]
    others = read(chain, pool.address, "uniswap-v3/UniswapV3Pool", "liquidity")
    ticks = range_around(chain, pool, -1_000, 1_000)
    chain.execute(actions.mint_position(world, owner, pool, ticks, world.amounts(pool, 40 * ETHER)))
    for token, kept in ((world.weth, ETHER), (world.usdc_low, 3_000 * DOLLAR)):
        nowhere, sent = world.accounts.spare[0], balance(chain, token, owner) - kept
        chain.execute(actions.transfer(token, owner, nowhere, sent))
    chain.rpc("anvil_mine", hex(40), hex(12))
    root = slot0(chain, pool).sqrt_price_x96 / 2**96
    held = others * (1 - 0.99**0.5) * (1 / root if pool.token0 == world.usdc_low else root) / DOLLAR

    def sized(mode: str, share: int) -> list[str]:
        signer = f"limits: {{signer: {{max_share_of_depth: {share}%}}, "
        told = desk(odd=world.usdc_high, mode=mode, changes=[("limits: {", signer)])[1]
        return [line for line in told.splitlines() if "in one mint" in line or "which size" in line]

    for mode, share, too_large in (("dry-run", 10, True), ("live", 100, False)):
        (told,) = sized(mode, share)
        mint, most = (float(each.replace(",", "")) for each in re.findall(r"([0-9,.]+) USDC", told))
        assert mint == pytest.approx(2 * 41 * 3_000, rel=0.01), told
        assert most == pytest.approx(held * share / 100 * 0.9, rel=0.001), "planned at 90 % of the share"
        assert told.startswith("book alpha: it would mint ")
        assert ("more than fits" in told) == too_large
        assert ("refused (depth)" in told) == too_large
    assert sized("watch", 10) == []


def test_check_says_that_a_pool_cannot_serve_the_window_of_the_mean(desk, chain, world):
    """The pool keeps one observation, of the last swap's block: no mean over five minutes, so no plan."""
    usual, young = world.pool("weth_usdc_low_500"), world.pool("weth_usdc_low_3000")
    trader = world.accounts.traders[0]
    chain.execute(actions.swap_exact_in(world, trader, young, world.weth, ETHER))
    told = desk(odd=world.usdc_high, mode="live", changes=[(usual.address, young.address)])[1]
    (said,) = [line for line in told.splitlines() if "which size" in line]
    assert said.startswith("book alpha: which size fits is not known: not_plannable: the observations do not")
    chain.rpc("anvil_mine", hex(40), hex(12))
    told = desk(odd=world.usdc_high, mode="live", changes=[(usual.address, young.address)])[1]
    assert "in one mint now" in told, "its only observation is old enough by then"
