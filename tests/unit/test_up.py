"""`evenkeel up` before it starts any process."""

import fcntl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SettingsError
from streams.cli.node_row import _budgets
from streams.cli.running import _alone, _children, shares_of
from streams.settings import Settings


def test_a_second_one_of_the_same_name_in_the_same_folder_is_refused(tmp_path):
    settings = Settings(folder=tmp_path / "run", instance="here")
    with _alone(settings, "up"):
        with (
            pytest.raises(SettingsError, match=r"`evenkeel up` runs already in .*run as here"),
            _alone(settings, "up"),
        ):
            pass
        with _alone(Settings(folder=tmp_path / "run", instance="there"), "up"):
            pass
    with _alone(settings, "up"):
        pass


def test_one_that_was_killed_leaves_nothing_behind(tmp_path):
    settings = Settings(folder=tmp_path, instance="here")
    with (tmp_path / "up-here.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
    with _alone(settings, "up"):
        pass


# ------------------------------------------------------------------ budgets
def bounded(share: int = 100, **bounds: object) -> Settings:
    return Settings(rpc_url="https://a.example/key,https://b.example", rpc_share=share, **bounds)


def test_without_a_budget_nothing_is_divided():
    settings = bounded()
    assert set(shares_of(settings, signers=1).values()) == {None}
    assert all("EVENKEEL_RPC_SHARE" not in child.env for child in _children(settings, ["s.yaml"]))
    assert list(_budgets(settings)) == []


def test_what_asks_a_node_has_its_share_and_who_asks_none_has_not():
    settings = bounded(rpc_per_second=(50, 20))
    shares = {child.name: child.env.get("EVENKEEL_RPC_SHARE") for child in _children(settings, ["s.yaml"])}
    assert shares == {"watch": "60", "work": None, "rehearse": "20", "submit s.yaml": "20"}
    shares = {child.name: child.env.get("EVENKEEL_RPC_SHARE") for child in _children(settings, [])}
    assert shares == {"watch": "75", "work": None, "rehearse": "25"}
    half = _children(bounded(50, rpc_per_second=(50, 20)), ["s.yaml"])
    assert [child.env.get("EVENKEEL_RPC_SHARE") for child in half] == ["30", None, "10", "10"]


@given(
    st.integers(1, 1_000),
    st.integers(1, 10**6),
    st.integers(1, 100),
    st.integers(0, 4),
    st.sampled_from([True, False]),
)
def test_all_that_up_starts_never_asks_more_than_the_budget(per_second, per_day, share, signers, both):
    settings = bounded(share, rpc_per_second=(per_second,), **({"rpc_per_day": (per_day,)} if both else {}))
    names = [f"{place}.yaml" for place in range(signers)]
    least = min(share * 2 // (8 + 2 * signers), share * 6 // (8 + 2 * signers))
    if min(per_second, per_day if both else per_second) * least < 100:
        with pytest.raises(SettingsError, match="cannot be divided among"):
            _children(settings, names)
        return
    children = _children(settings, names)
    parts = [
        settings.model_copy(update={"rpc_share": int(child.env["EVENKEEL_RPC_SHARE"])}).rpc_limits
        for child in children
        if "EVENKEEL_RPC_SHARE" in child.env
    ]
    assert len(parts) == 2 + signers
    for node, whole in enumerate(settings.whole_limits):
        each = [limits[node] for limits in parts]
        assert 0 < sum(one.per_second for one in each) <= whole.per_second * share // 100
        assert not both or 0 < sum(one.per_day for one in each) <= whole.per_day * share // 100


def test_a_budget_that_is_too_small_is_refused_before_anything_starts():
    with pytest.raises(
        SettingsError, match="a budget of 4 questions cannot be divided among the 3 processes"
    ):
        _children(bounded(rpc_per_second=(4,)), ["s.yaml"])
    assert _children(bounded(rpc_per_second=(5,)), ["s.yaml"])


def test_doctor_says_what_counts():
    said = "; ".join(_budgets(bounded(60, rpc_per_second=(25, 10), rpc_per_day=(300_000,))))
    assert said.startswith(
        "budget of a.example:443: 25 per second, 300000 in 24h; budget of b.example:443: 10 per second, 300000"
    )
    assert "this process's share is 60 %" in said
    assert "each count their own questions" in said
    assert "key" not in said
