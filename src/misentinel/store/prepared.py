"""Queries whose SQL is made once: for the few that every request asks. Making the SQL of a large queryset costs Django
more than the database takes to answer it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.db import connections
from django.db.models import Model, QuerySet
from django.db.models.query import get_related_populators
from psycopg import Binary

from misentinel.kernel.clock import held

_Row = TypeVar("_Row", bound=Model)
_Read = Callable[[tuple[Any, ...]], Any]
_AT = datetime.fromisoformat("1970-01-01T00:00:00.123457+00:00")  # stands for now() while the SQL is made


class PreparedQuery(Generic[_Row]):
    """A queryset of the control plane that differs from call to call in one value and in the time alone.

    `make(stand_in)` builds it once; wherever `stand_in`, or `now()`, ends up among its parameters, each call binds its
    own.
    """

    def __init__(self, make: Callable[[Any], QuerySet[_Row]], stand_in: Any) -> None:
        self._make = make
        self._stand_in = stand_in
        self._made: tuple[str, tuple[Any, ...], _Read] | None = None

    def first(self, value: Any, at: datetime) -> _Row | None:
        """Returns the row for `value` as of `at`, or None."""
        sql, parameters, read = self._made or self._prepare()
        bound = [at if each == _AT else value if each == self._stand_in else each for each in parameters]
        with connections["default"].cursor() as cursor:
            cursor.execute(sql, bound)
            row = cursor.fetchone()
        found: _Row | None = None if row is None else read(row)
        return found

    def _prepare(self) -> tuple[str, tuple[Any, ...], _Read]:
        with held(_AT):
            compiler = self._make(self._stand_in).query.get_compiler("default")
            sql, given = compiler.as_sql()
        parameters = [each.obj if isinstance(each, Binary) else each for each in given]  # bytes, as they were given
        if self._stand_in not in parameters:
            raise ValueError("the value that differs is not a parameter of this query")
        self._made = sql, tuple(parameters), _reader(compiler)
        return self._made


def _reader(compiler: Any) -> _Read:
    """What turns a row into its model, with what was selected beside it, as Django's own iteration does."""
    klass_info, select = compiler.klass_info, compiler.select
    start, end = klass_info["select_fields"][0], klass_info["select_fields"][-1] + 1
    names = [column[0].target.attname for column in select[start:end]]
    populators = get_related_populators(klass_info, select, "default")  # type: ignore[call-arg]  # of a later Django
    converters = compiler.get_converters([column[0] for column in select])

    def read(row: tuple[Any, ...]) -> Any:
        if converters:
            row = next(iter(compiler.apply_converters([row], converters)))
        found = klass_info["model"].from_db("default", names, row[start:end])
        for populator in populators:
            populator.populate(row, found)
        for name, position in compiler.annotation_col_map.items():
            setattr(found, name, row[position])
        return found

    return read
