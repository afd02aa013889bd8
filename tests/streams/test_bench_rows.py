"""Every benchmark without a broker still runs and gives results equal to its peer's, at small sizes."""

import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    yield
    for name, module in list(sys.modules.items()):
        if Path(getattr(module, "__file__", None) or "").parent == BENCH:
            del sys.modules[name]


def test_facts_of_receipts_and_of_logs_are_those_of_web3(monkeypatch):
    import decoding

    monkeypatch.setattr(decoding, "BLOCKS", 1)
    monkeypatch.setattr(decoding, "SWAPS", 3)
    rows = decoding.rows(1)
    assert {row.peer.partition(" ")[0] for row in rows} == {"web3"}
    assert all(row.ours_us > 0 for row in rows)


def test_a_replayed_pool_is_that_of_the_port(monkeypatch):
    import flows
    import replaying

    monkeypatch.delenv("BENCH_PEERS", raising=False)
    monkeypatch.setattr(flows, "SWAPS", 40)
    monkeypatch.setattr(flows, "BLOCKS", 2)
    made = flows.made_flow()
    monkeypatch.setattr(replaying, "flows", lambda: iter([made]))
    assert made.swaps > 20
    assert made.multi_step > 0
    assert {row.peer for row in replaying.rows(1)} >= {"a plain port of the contract"}


@pytest.mark.parametrize("swaps", [1, 3])
def test_what_leaving_all_nfts_pays_is_what_measuring_each_comes_to(monkeypatch, swaps):
    import usual_way

    monkeypatch.setattr(usual_way, "BLOCKS", 2)
    monkeypatch.setattr(usual_way, "WARM_BLOCKS", 1)
    costs = usual_way.Costs(4, swaps)
    assert len(costs.ours) == len(costs.measuring) == 3


def test_what_was_not_run_is_said_to_be_absent(monkeypatch, tmp_path, capsys):
    import kept_rows

    monkeypatch.setattr(kept_rows, "FOLDER", tmp_path)
    monkeypatch.setattr(kept_rows, "COMPARED", tmp_path / "compare.json")
    assert all(table["absent"] for table in kept_rows.tables().values())
    machine = '"machine": {"at": "2026-01-01T00:00:00Z"}'
    (tmp_path / "compare.json").write_text(
        f'{{{machine}, "old": "c6d45c2", "ratios": {{"0": 1.1, "1": 1.7}}}}'
    )
    (tmp_path / "streams.json").write_text(
        f'{{{machine}, "sending": [{{"p99_ms": 81}}, {{"p99_ms": 150}}], "opening": [{{"open_s": 2.0}}]}}'
    )
    told = kept_rows.tables()
    assert [row["reached"] for row in told["streams"]["rows"]] == [False, True, True]
    assert [row["reached"] for row in told["fold against an older commit"]["rows"]] == [True]
    assert "missed" in capsys.readouterr().out
