"""The campaign's check of a plan's mints uses their effect, and finds a double mint whatever its cause."""

from types import SimpleNamespace

import pytest
from chaos_sender.mints import Fate, fate_of, wrong_of

MINTED, NOTHING, WAITS = Fate(1, False), Fate(0, True), Fate(0, False)


@pytest.mark.parametrize("fates", [[MINTED], [NOTHING, MINTED], [MINTED, NOTHING, NOTHING]])
def test_whichever_of_them_is_mined_one_effect_is_right(fates):
    assert wrong_of(fates) == []


@pytest.mark.parametrize(
    ("fates", "word"),
    [
        ([MINTED, MINTED], "2 mints of the plan are mined"),
        ([Fate(2, False)], "2 mints of the plan are mined"),
        ([NOTHING, NOTHING], "0 mints of the plan are mined"),
        ([], "0 mints of the plan are mined"),
        ([MINTED, WAITS], "1 of the plan's mints are neither mined nor refused"),
        ([Fate(1, True)], "a mint is mined and came to nothing"),
    ],
)
def test_any_other_is_wrong(fates, word):
    assert word in wrong_of(fates)


@pytest.mark.parametrize(
    ("attempts", "ends", "fate"),
    [
        ({"0xa": (False, "0x1")}, [], MINTED),
        ({"0xa": (False, None), "0xc": (True, "0x1")}, [], NOTHING),
        ({"0xa": (False, "0x0")}, [], NOTHING),
        ({"0xa": (False, None)}, ["refused: market"], NOTHING),
        ({"0xa": (False, None), "0xb": (False, None)}, [], WAITS),
        ({"0xa": (False, "0x1"), "0xb": (False, "0x1")}, [], Fate(2, False)),
        ({"0xa": (False, "0x1")}, ["dropped"], Fate(1, True)),
    ],
)
def test_a_mints_fate_is_what_the_chain_and_its_reports_say(attempts, ends, fate):
    statuses = {hash_: status for hash_, (_, status) in attempts.items()}
    story = SimpleNamespace(
        attempts={
            hash_: ("mint", SimpleNamespace(cancels=cancels)) for hash_, (cancels, _) in attempts.items()
        }
        | {"0xf": ("another", SimpleNamespace(cancels=False))},
        ends={"mint": ends},
    )

    def rpc(_: str, hash_: str):
        return statuses[hash_] and {"status": statuses[hash_]}

    assert fate_of(SimpleNamespace(story=story, chain=SimpleNamespace(rpc=rpc)), "mint") == fate
