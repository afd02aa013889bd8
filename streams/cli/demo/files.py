"""Write the demo's files: a portfolio, its books, and the files of the signers that act."""

from string import Template

PORTFOLIO = Template("""\
chain:
  id: $chain_id
  live_on: $chain_id
  check_every_blocks: 40
  report_every_blocks: 25
  venues: [{name: lending, kind: aave_v3, pool: "$lending", configurator: "$configurator", oracle: "$oracle"}]
books:
$books""")
LIMITS = """\
    limits: {twap_window: 48s, max_spot_from_twap: 6.18%, max_slippage: 2%, swap_tolerance: 1%,
             max_cost: 3%, max_daily_cost: 10%, max_daily_gas: 10%, max_actions_per_day: 100, max_age_blocks: 8,
             max_notional: 400000, max_daily_notional: 10000000,
             signer: {max_loss: 3%, max_share_of_depth: 100%, twap_window: 3m, swap_tolerance: 1%}}
"""
"""Of the books that act, or propose."""
BOOK = Template("""\
  - book: $book
    owner: "$owner"
    base: WETH
    quote: USDC
    tokens:
      - {symbol: WETH, address: "$weth", decimals: 18}
      - {symbol: USDC, address: "$usdc", decimals: 6}
      - {symbol: USDCx, address: "$other", decimals: 6}
    quote_equivalents: [USDCx]
    pools: [$pools]
    reference_pool: "$reference"
    strategy: {name: target_band, target_share: 50%, band: 8%, hysteresis: 2%,
               hold_out_of_range: ${hold_s}s, cooldown: ${cooldown_s}s}
$limits    rerange: {half_width: $half_width, reserve_base: 1, reserve_quote: 3000, stall_after: 120s}
    mode: $mode
""")
THREE_ASSETS = Template("""\
  - book: $book
    owner: "$owner"
    base: WETH
    quote: USDC
    tokens:
      - {symbol: WETH, address: "$weth", decimals: 18}
      - {symbol: WBTC, address: "$wbtc", decimals: 8}
      - {symbol: USDC, address: "$usdc", decimals: 6}
    assets:
      - {token: WBTC, target_share: 20%, price_path: ["$with_weth", "$reference"]}
    pools: ["$reference", "$with_weth", "$with_usdc"]
    reference_pool: "$reference"
    strategy: {name: target_band, target_share: 30%, band: 10%, hysteresis: 1%}
    limits: {twap_window: 48s, max_spot_from_twap: 6.18%}
    mode: watch
""")
HEDGED = Template("""\
  - book: $book
    owner: "$owner"
    base: WETH
    quote: USDC
    tokens:
      - {symbol: WETH, address: "$weth", decimals: 18}
      - {symbol: USDC, address: "$usdc", decimals: 6}
    pools: ["$pool"]
    reference_pool: "$pool"
    strategy: {name: target_band, target_share: 35%, band: 34%, hysteresis: 1%,
               hold_out_of_range: 10000000s, cooldown: 216s}
$limits    rerange: {half_width: 22.14%, reserve_base: 2, reserve_quote: $kept, stall_after: 120s}
    hedge: {venue: lending, ratio: 100%, cooldown: 120s, pace: 24s}
    mode: live
""")
SIGNER = Template("""chain: $chain_id
devnet_account: "$account"
pools: ["$pool"]
${venues}twap_window: 3m
max_spot_from_twap: 6.18%
budget_token: "$usdc"
max_loss_per_day: 20000
max_notional: 400000
max_notional_per_day: 10000000
max_actions_per_hour: 100
max_loss: 3%
swap_tolerance: 1%
max_share_of_depth: 100%
""")
LENDING_TERMS = Template("""\
venues:
  - {name: lending, kind: aave_v3, pool: "$lending", tokens: {"$weth": 60, "$usdc": 0}, least_health: 1.05, shock: 30%}
""")
