"""Values that are added and removed in any order are iterated in the order of their keys."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.state.in_key_order import InKeyOrder

keys = st.text(alphabet="abc", max_size=3)


@given(st.lists(st.tuples(keys, st.booleans(), st.booleans())))
def test_values_are_walked_by_their_keys(happenings):
    ours, plain = InKeyOrder[int](), dict[str, int]()
    for number, (key, comes, is_walked) in enumerate(happenings):
        if comes:
            ours.put(key, number)
            plain[key] = number
        else:
            ours.drop(key)
            plain.pop(key, None)
        if is_walked:
            assert list(ours.items()) == sorted(plain.items())
    assert list(ours.in_order().items()) == sorted(plain.items())
