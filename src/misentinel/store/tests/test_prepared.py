"""A prepared query answers as the queryset that it was made from, for every value and at every time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session

from misentinel.kernel.clock import held, now
from misentinel.store.prepared import PreparedQuery
from misentinel.teammates.queries import principals
from tests.cast import hire, start_session

BY_KEY = PreparedQuery(lambda key: Session.objects.filter(session_key=key, expire_date__gt=now()), "a key stands here")


@pytest.fixture
def rows(acme):
    ends = {"first": now() + timedelta(hours=1), "second": now() + timedelta(hours=2)}
    for key, end in ends.items():
        Session.objects.update_or_create(session_key=key, defaults={"session_data": key, "expire_date": end})
    yield ends
    Session.objects.filter(session_key__in=ends).delete()


def test_each_value_finds_its_own_row_and_another_none(rows) -> None:
    assert [BY_KEY.first(key, now()).session_data for key in ("first", "second", "first")] == [
        "first",
        "second",
        "first",
    ]
    assert BY_KEY.first("third", now()) is None
    assert BY_KEY.first("a key stands here", now()) is None


def test_the_time_is_that_of_the_call_not_of_the_making(rows) -> None:
    assert BY_KEY.first("first", rows["first"] - timedelta(microseconds=1)) is not None
    assert BY_KEY.first("first", rows["first"]) is None


def test_it_reads_what_the_queryset_reads_with_all_that_is_selected_beside_it(acme) -> None:
    session_id = start_session(hire(acme.customer_id, "Asha"))
    with held(now()):
        prepared, queried = principals._SESSION.first(session_id, now()), principals._session(session_id).get()
    assert prepared.__dict__.keys() == queried.__dict__.keys()
    for name, value in queried.__dict__.items():
        assert name == "_state" or getattr(prepared, name) == value, name
    assert prepared.teammate == queried.teammate and prepared.teammate.role is None and prepared.inside is None


def test_a_query_without_the_value_is_refused() -> None:
    with pytest.raises(ValueError, match="not a parameter"):
        PreparedQuery(lambda key: Session.objects.all(), "a key stands here").first("x", now())
