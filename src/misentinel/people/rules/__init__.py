"""Pure rules about people: what may be seen of a sealed document, and who is meant by which identifiers."""

from misentinel.people.rules.matching import (
    EMAIL,
    EMAIL_DOMAIN,
    SEARCH_FIELD,
    Memo,
    as_date,
    joined_ids,
    match_of,
    merged_traits,
    search_tokens,
)
from misentinel.people.rules.resolution import Kind, Known, Plan, Wanted, resolve

__all__ = [
    "EMAIL",
    "EMAIL_DOMAIN",
    "SEARCH_FIELD",
    "Kind",
    "Known",
    "Memo",
    "Plan",
    "Wanted",
    "as_date",
    "joined_ids",
    "match_of",
    "merged_traits",
    "resolve",
    "search_tokens",
]
