"""The portfolio that `evenkeel init` writes."""

from string import Template

from streams.run_folder import DevnetFile

_FILE = Template("""\
# Evenkeel's portfolio: which books there are and how each is to be kept.
# `evenkeel check` says what is wrong with it, `evenkeel apply` makes it hold.

chain:
  id: $chain_id
  # Where Uniswap V3 stands is known for this chain; name it to use another:
  #   factory, position_manager, wrapped_native
  # final_depth_blocks: 65      # the most blocks a reorg may take
  # check_every_blocks: 100     # how often a pool is compared with the chain
  # report_every_blocks: 50     # how often an unchanged refusal is said again
  # venues:                     # further deployments; their pools are followed, and nothing but a hedge acts there
  #   - {name: fork, kind: uniswap_v3, factory: "0x...", position_manager: "0x..."}
  #   - {name: aave, kind: aave_v3, pool: "0x...", configurator: "0x...", oracle: "0x..."}  # a lending market: collateral and debt count
  # live_on: $chain_id                # the chain's id again, without which no book may be live

books:
$books""")

_BOOK = Template("""\
  - book: $book
    owner: "$owner"  # holds the positions; belongs to one book
    # accounts: []        # others whose balances count
    base: WETH            # the token whose share is kept
    quote: USDC           # the token that value is counted in
    tokens:
      - {symbol: WETH, address: "$base", decimals: 18}
      - {symbol: USDC, address: "$quote", decimals: 6}
    # quote_equivalents: [] # tokens that count as the quote at par
    # assets:               # further tokens that count, each priced along pools that lead to the quote
    #   - {token: WBTC, target_share: 20%, price_path: ["0x... WBTC/WETH", "0x... WETH/USDC"]}
    #   - {token: stETH, price: {par: WETH}, references: [{pools: ["0x... stETH/USDC"], within: 1%}]}
    # references:           # further prices of the base: no action while its spot is not near each of them
    #   - {mean: ["$pool"], window: 30m, within: 1%}
    #   - {feed: "0x... ETH/USD", max_age: 66m, within: 1%}  # Chainlink's, in dollars: as if USDC were one
    pools:
      - "$pool"  # $pool_name
    # pools_at:           # which of the pools lie at a venue of chain.venues; mode watch only
    #   - {venue: fork, pools: ["0x..."]}
    # hedge: {venue: aave, ratio: 65%, largest_debt: 10, largest_step: 2}  # a short of the base at a lending market of
    #                     # chain.venues; docs/operations.md has the rest of it
    reference_pool: "$pool"  # its price values the inventory
    # price_history: {every: 5m, span: 14d}  # keep its pools' prices in the shard's state, for `evenkeel volatility`
    strategy:
      name: target_band
      target_share: 50%       # of the book's value in base
      band: $band             # how far the share may be from it
      hysteresis: 2%          # outside until it is this much inside again
      hold_out_of_range: 1h   # all liquidity may be out of range this long
      cooldown: $cooldown            # between two proposals
    mode: dry-run             # watch: assess only; dry-run: try each proposal, act on none;
                              # live: act (also needs chain.live_on, `apply --live`, and `evenkeel submit`)
    # What follows holds for every mode but watch. What is commented out are the defaults; amounts are in the quote.
    limits:
      max_notional: 100000          # moved by one action; mode live needs it
      max_daily_notional: 500000    # moved within 24 hours; mode live needs it
$lively    #   max_cost: 1%                  # gas, swap fee and impact of one action, of what it moves; up to 10%
    #   max_daily_cost: 1%            # the same, of all actions within 24 hours, of the book's value; up to 10%
    #   max_daily_gas: 0.5%           # gas alone, within 24 hours, of the book's value
    #   max_slippage: 0.15%           # of a swap, from the pool's time-weighted price; up to 5%; the default is by the
    #                                 # pool's fee: 0.05% at 0.01%, 0.15% at 0.05%, 0.5% at 0.3%, 1% at 1%
    #   swap_tolerance: 0.15%         # below what a swap would bring at its block; the stricter counts; up to 1%
    #   twap_window: 5m               # over which that price is taken; 24s to 1d
    #   max_spot_from_twap: 0.5%      # no action while the price is further from it; by the pool's fee too: 0.2%, 0.5%, 1%, 2.02%
    #   max_actions_per_day: 6
    #   max_fee_gwei: 200             # offered for a unit of gas, at most
    #   max_age_blocks: 5             # how many blocks after its block a transaction may still be signed; by default a minute of them
    #   deadline: 5m                  # how long after its block it may still be mined
    #   signer: {max_loss: 1%, max_share_of_depth: 10%, twap_window: 5m, swap_tolerance: 0.15%, max_gas_limit: 5000000}
    #                                 # what the signer's file allows, where it says otherwise: nothing is planned that
    #                                 # it would refuse
    # rerange:                        # how a proposal is carried out: the liquidity moves to a new range
    #   half_width: 6%                # how far its ends are from its middle: from /1.06 to *1.06
    #   reserve_base: 0               # left in the wallet
    #   reserve_quote: 0
    #   standing_base: 0              # what router and position manager may each go on being allowed to take between
    #   standing_quote: 0             # plans; a plan then takes 3 transactions instead of 7 to 9; the signer's file
    #                                 # must let as much stand: standing_allowances
    #   on_stall: hold_and_alert      # where its middle cannot go on: leave the tokens in the wallet and say so;
    #                                 # wait: try on and on; mint_as_is: give up the swap, choose the range that fits
    #   stall_after: 10m              # how long a step may be refused before that happens
    #   large_swaps: split            # a swap that moves the price by more than twice the fee pays for a sandwich: go in smaller steps;
    #                                 # private: whole, and only by the signer's relay; refuse: not at all
    # signer: "$owner"  # who signs; in mode live it must be the owner
""")

_MAINNET = {
    "book": "eth-usdc",
    "owner": "0x0000000000000000000000000000000000000001",
    "base": "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2",
    "quote": "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48",
    "pool": "0x88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640",
    "pool_name": "USDC/WETH 0.05%",
    "band": "10%",
    "cooldown": "1h",
    "lively": "",
}
_LIVELY = """\
      max_slippage: 2%              # the devnet's prices move more than any real pair's, its pools are shallow, and its
      max_spot_from_twap: 6.18%     # gas is dear for small books: all these are wide
      max_cost: 2%
      max_daily_cost: 8%
      max_daily_gas: 4%
      signer: {max_loss: 4%, max_share_of_depth: 40%}  # with max_spot_from_twap in the signer's file, too
      max_age_blocks: 60            # its blocks come every second
"""


def example_portfolio(devnet: DevnetFile | None) -> str:
    """Write a portfolio for the devnet, a book for each of its 0.05% pools, or one for Ethereum."""
    if devnet is None:
        return _FILE.substitute(chain_id=1, books=_BOOK.substitute(_MAINNET))
    world = devnet.world
    sides = (("low", world.usdc_low), ("high", world.usdc_high))
    books = [
        _BOOK.substitute(
            book=f"usdc-{side}",
            owner=owner,
            base=world.weth,
            quote=usdc,
            pool=world.pools[f"weth_usdc_{side}_500"].address,
            pool_name="WETH/USDC 0.05%",
            band="5%",
            cooldown="10m",
            lively=_LIVELY,
        )
        for (side, usdc), owner in zip(sides, world.accounts.owners, strict=False)
    ]
    return _FILE.substitute(chain_id=world.chain_id, books="\n".join(books))
