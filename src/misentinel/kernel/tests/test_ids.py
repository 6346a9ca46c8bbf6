from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from misentinel.kernel.ids import new_id, parse_id


def test_ids_are_version_7_and_grow() -> None:
    ids = [new_id() for _ in range(2000)]
    assert {i.version for i in ids} == {7}
    assert len(set(ids)) == len(ids)
    leading = [i.int >> 64 for i in ids]
    assert leading == sorted(leading)


@given(st.text(max_size=40))
def test_only_the_canonical_form_is_read_as_an_id(text: str) -> None:
    found = parse_id(text)
    assert found is None or str(found) == text.lower()


def test_other_spellings_of_a_uuid_are_no_ids() -> None:
    value = str(new_id())
    assert parse_id(value) is not None
    for other in (value.replace("-", ""), "{" + value + "}", "urn:uuid:" + value):
        assert parse_id(other) is None
