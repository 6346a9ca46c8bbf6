"""What crosses the border of segments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.sql import Composable


@dataclass(frozen=True, slots=True)
class SegmentView:
    """A segment. `rule` is the JSON that `rules.parse` reads; None for *Everyone*, which cannot be changed."""

    id: UUID
    name: str
    rule: dict[str, Any]
    builtin: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Selection:
    """SQL that yields the ids of the people meant, one column `id`, with its parameters."""

    sql: Composable
    params: tuple[Any, ...]
