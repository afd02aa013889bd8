"""Every fault once, on one deployment with order flow: nothing is lost or doubled, and the state equals the chain."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from chaos.faults import FAULTS
from chaos.house import House, opened

pytestmark = [pytest.mark.kafka, pytest.mark.anvil, pytest.mark.asyncio(loop_scope="module")]

SEED = 7


class Lodging:
    """A deployment that outlives a fault which it survived; after one that it did not, there is another."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._house: House | None = None
        self._opened = opened(folder, SEED, hurried=True)
        self.is_spoilt = True

    async def house(self) -> House:
        if self.is_spoilt or self._house is None:
            await self.leave()
            self._count += 1
            place = self._folder / str(self._count)
            place.mkdir()
            self._opened = opened(place, SEED + self._count, hurried=True)
            self._house = await self._opened.__aenter__()
        self.is_spoilt = True
        return self._house

    async def leave(self) -> None:
        if self._house is not None:
            self._house = None
            await self._opened.__aexit__(None, None, None)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lodging(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lodging]:
    lodging = Lodging(tmp_path_factory.mktemp("house"))
    yield lodging
    await lodging.leave()


@pytest.mark.timeout(720)
@pytest.mark.parametrize("name", FAULTS)
async def test_nothing_is_lost_or_doubled(lodging, name):
    house = await lodging.house()
    before = house.rules.copy()
    began_s = time.monotonic()
    await FAULTS[name].strike(house)
    over_s = time.monotonic()
    await house.recovered()
    well_s = time.monotonic()
    finding = await house.verdict()
    print(
        f"{name}: {over_s - began_s:.1f} s, well again after {well_s - over_s:.1f} s, compared {finding.compared}"
    )
    assert (finding.lost, finding.doubled, finding.wrong) == (0, 0, [])
    assert all(finding.compared[what] for what in ("entries", "blocks", "pools", "positions"))
    fired = house.rules - before
    assert [rule for rule in FAULTS[name].fires if not fired[rule]] == []
    lodging.is_spoilt = False
