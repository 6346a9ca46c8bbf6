from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from misentinel.kernel.blotting import blot

DIGITS = "01920645-7610-7929-8123-456789012345"


def test_an_id_made_of_digits_is_no_card_and_an_address_beside_it_still_goes() -> None:
    assert blot(f"request {DIGITS} failed") == f"request {DIGITS} failed"
    assert blot(f"request {DIGITS} of asha@example.com with 4111-1111-1111-1111") == (
        f"request {DIGITS} of [blotted out] with [blotted out]"
    )


@given(st.uuids())
def test_every_id_stays(value: uuid.UUID) -> None:
    assert blot(f"request {value}.") == f"request {value}."
