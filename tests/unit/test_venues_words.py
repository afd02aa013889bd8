"""What only one kind of venue has (ticks, square roots of prices, NFTs) is not named by modules that serve all of them.

A module that must name it is listed with its reason, and with the words that it may name: one that comes to it, or to another module, is
red, and so is a listed one that is not there any more.
"""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORDS = re.compile(r"[a-z0-9_]*(?:tick|sqrt|nft)[a-z0-9_]*")
OWN_FOLDERS = {
    "pipeline/venues/uniswap_v3": "the venue itself",
    "streams/node/venues/uniswap_v3": "its reads",
    "streams/submit/venues/uniswap_v3": "its half of the signer",
    "pipeline/math": "integer maths of AMMs: square roots of prices and ticks are what it is about",
    "pipeline/curves": "maths in floats: square roots are square roots",
    "pipeline/statistics": "likewise",
    "pipeline/hedge": "likewise",
    "streams/devnet": "a chain of ours with Uniswap V3 on it",
    "streams/look": "`evenkeel look`: an owner's NFTs of Uniswap V3, without a shard",
    "streams/cli/demo": "a story that plays on that chain",
}
"""Folders that may name all of it."""


PRICE = "sqrt_price_x96 sqrtpricex96"
LEFT = "nftleft nftsetapart nftadopted"
PRICES_AT_TICKS = "min_sqrt_price_x96 max_sqrt_price_x96 sqrt_price_at_tick tick_at_sqrt_price"
SPOT_FROM_MEAN = "max_spot_from_twap_ticks spot_ticks_of"

A_PRICE_ON_THE_WIRE = (
    "books and decisions tell their price of base as a square root, which any exact price can be given as"
)
TYPES_ON_THE_WIRE = "types that are written in topics under these names"
FIELDS_OF_THE_FILE = (
    "fields of the portfolio file: a re-range of Uniswap V3, and how far spot may be from the mean"
)
SHOWN = "shows positions of Uniswap V3 to people"
EXCEPTIONS = {
    "pipeline/advance/books.py": (A_PRICE_ON_THE_WIRE, PRICE),
    "pipeline/advance/departures.py": (TYPES_ON_THE_WIRE, LEFT),
    "pipeline/book/cells.py": (
        "a grid of prices whose steps are equal in logarithms: see price_rings",
        f"{PRICE} {PRICES_AT_TICKS} _sqrt_at cell_ticks isqrt max_tick min_tick tick tick_of ticks",
    ),
    "pipeline/book/inventory.py": (A_PRICE_ON_THE_WIRE, PRICE),
    "pipeline/book/price_rings.py": (
        "a mean of prices is geometric: it is summed up in logarithms, which are ticks of any pool's price",
        "sqrt_price_at_tick sqrt_x96 tick tick_of tick_seconds tick_seconds_at ticks",
    ),
    "pipeline/book/stock.py": (A_PRICE_ON_THE_WIRE, f"{PRICE} _sqrt_price_x96 isqrt"),
    "pipeline/decide/gates.py": (A_PRICE_ON_THE_WIRE, PRICE),
    "pipeline/fee_tiers.py": (
        "how far spot may be from the mean by default, in ticks as the file has it",
        "_spot_ticks _widest_spot_ticks spot_ticks_of tick",
    ),
    "pipeline/follow/routes.py": (TYPES_ON_THE_WIRE, LEFT),
    "pipeline/messages/decisions.py": (TYPES_ON_THE_WIRE, f"{PRICE} {LEFT} _nft_left_2"),
    "pipeline/messages/dry_run.py": (
        "what a dry-run minted is told as Uniswap V3's NFT: no other venue has one that is tried",
        f"{PRICE} nft tick tick_lower tick_upper",
    ),
    "pipeline/messages/events.py": (TYPES_ON_THE_WIRE, LEFT),
    "pipeline/messages/former_goals.py": ("forms of before there was another venue", "tick_lower tick_upper"),
    "pipeline/messages/policy.py": (
        FIELDS_OF_THE_FILE,
        f"{SPOT_FROM_MEAN} spot_ticks half_width_ticks",
    ),
    "pipeline/messages/prices.py": (
        "the slots of past prices: see price_rings",
        "tick tick_seconds tick_seconds_at ticks",
    ),
    "pipeline/messages/views.py": (A_PRICE_ON_THE_WIRE, PRICE),
    "pipeline/units.py": ("names of numbers", "sqrtpricex96 sqrt tick"),
    "pipeline/views.py": (A_PRICE_ON_THE_WIRE, PRICE),
    "streams/cli/adopting.py": ("a person adopts an NFT by its number", "nft nftadopted"),
    "streams/cli/asked.py": (
        "asks a reference pool of Uniswap V3 for its spacing",
        "half_width_ticks tick tickspacing",
    ),
    "streams/cli/curve.py": ("the middle of two prices", "sqrt"),
    "streams/cli/devnet_run.py": ("a devnet has Uniswap V3", "ticks"),
    "streams/cli/example.py": (FIELDS_OF_THE_FILE, "max_spot_from_twap_ticks half_width_ticks tick nfts"),
    "streams/cli/holdings.py": (SHOWN, f"{PRICE} nft nfts tick tick_lower tick_upper ticks"),
    "streams/cli/look.py": (SHOWN, f"{PRICE} nft nfts tick tick_lower tick_upper ticks"),
    "streams/cli/plots.py": ("ticks of an axis", "ticks set_xticks minorticks_off"),
    "streams/cli/refusals.py": (A_PRICE_ON_THE_WIRE, f"{PRICE} sqrt"),
    "streams/cli/sentences.py": (SHOWN, f"{LEFT} nft tick tick_lower tick_upper ticks"),
    "streams/cli/wider.py": (FIELDS_OF_THE_FILE, SPOT_FROM_MEAN),
    "streams/cli/wording.py": (SHOWN, f"{LEFT} _no_end_tick nft nfts sqrt_price_at_tick tick ticks"),
    "streams/human.py": (A_PRICE_ON_THE_WIRE, PRICE),
    "streams/kafka/key_length.py": ("fields of records that no key is made of", "ticks"),
    "streams/node/contracts.py": (
        "tries a deployment's contracts of Uniswap V3",
        "min_sqrt_price_x96 sqrtpricex96 tick ticks tickspacing",
    ),
    "streams/pool_prices.py": ("takes prices from the published swaps of Uniswap V3", PRICE),
    "streams/portfolio/policies.py": (FIELDS_OF_THE_FILE, "max_spot_from_twap_ticks half_width_ticks"),
    "streams/portfolio/sections.py": (FIELDS_OF_THE_FILE, "max_spot_from_twap_ticks half_width_ticks nfts"),
    "streams/portfolio/words.py": (FIELDS_OF_THE_FILE, "max_spot_from_twap_ticks half_width_ticks"),
    "streams/private_file.py": ("a folder's sticky bit", "sticky"),
    "streams/rehearse/trial.py": (
        "see pipeline/messages/dry_run.py",
        f"{PRICE} tick_lower tick_upper",
    ),
    "streams/work/fold.py": (TYPES_ON_THE_WIRE, LEFT),
}


def words_of(path: Path) -> set[str]:
    return set(WORDS.findall(path.read_text(encoding="utf-8").lower()))


def generic_modules() -> dict[str, Path]:
    """Modules of pipeline/ and streams/ that serve every venue."""
    named = {
        str(path.relative_to(ROOT)): path
        for package in ("pipeline", "streams")
        for path in sorted((ROOT / package).rglob("*.py"))
    }
    return {
        name: path
        for name, path in named.items()
        if not name.startswith(tuple(f"{each}/" for each in OWN_FOLDERS))
    }


def test_generic_modules_name_nothing_of_one_venue():
    modules = generic_modules()
    assert len(modules) > 200
    found = {
        name: sorted(more)
        for name, path in modules.items()
        if (more := words_of(path) - set(EXCEPTIONS.get(name, ("", ""))[1].split()))
    }
    assert found == {}


def test_what_is_listed_is_there():
    modules = generic_modules()
    assert all((ROOT / folder).is_dir() for folder in OWN_FOLDERS)
    needless = {name for name in EXCEPTIONS if name not in modules or not words_of(modules[name])}
    assert needless == set()
