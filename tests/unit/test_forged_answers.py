"""A signer's refusals are grouped by the cause, without the details of single intents."""

import pytest
from chaos_sender.answers import without_numbers


@pytest.mark.parametrize(
    ("detail", "counted"),
    [
        ("contract 0xAbab00ff12 is not on the list".lower(), "contract # is not on the list"),
        ("a short of 41000000000000000000, more than 40000000000000000000", "a short of #, more than #"),
        (
            "5bb0d1 acts on position/0xab/17 and is in no block yet",
            "# acts on position/#/# and is in no block yet",
        ),
        (
            "the arguments of borrow: Padding bytes were not empty: b'\\x00\\x01'",
            "the arguments of borrow: Padding bytes were not empty",
        ),
        ("a facade, added", "a facade, added"),
    ],
)
def test_a_refusal_is_counted_by_what_was_found(detail, counted):
    assert without_numbers(detail) == counted
