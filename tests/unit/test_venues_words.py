"""Concepts of one kind of venue (ticks, square roots of prices, NFTs) are not named in modules that serve all venues.

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
    "streams/cli/venues/uniswap_v3": "how it is shown",
    "streams/cli/demo": "a story that plays on that chain",
}
"""Folders that may name all of it."""


FORMER = "forms of before there was another venue"
EXCEPTIONS = {
    "pipeline/messages/dry_run.py": (FORMER, "nft"),
    "pipeline/messages/former_goals.py": (FORMER, "tick_lower tick_upper"),
    "pipeline/messages/former_prices.py": (FORMER, "sqrt_price_x96"),
    "pipeline/units.py": ("names of numbers", "sqrtpricex96 sqrt tick"),
    "streams/cli/adopting.py": ("a person adopts an NFT, of any venue, by its number", "nft"),
    "streams/cli/curve.py": ("the middle of two prices", "sqrt"),
    "streams/cli/devnet_run.py": ("a devnet has Uniswap V3", "ticks"),
    "streams/cli/look.py": ("looks at an owner's NFTs of Uniswap V3, and at nothing else", "nfts"),
    "streams/cli/plots.py": ("ticks of an axis", "ticks set_xticks minorticks_off"),
    "streams/kafka/key_length.py": ("fields of records that no key is made of", "ticks"),
    "streams/private_file.py": ("a folder's sticky bit", "sticky"),
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
    needless = {
        name: sorted(unused)
        for name, (_, words) in EXCEPTIONS.items()
        if (unused := set(words.split()) - (words_of(modules[name]) if name in modules else set()))
    }
    assert needless == {}
