"""What a question may say: one SELECT over our own table, with functions that compute and nothing else.

The engine's own parser reads it; what is not known here is refused. This is the first of three fences: the engine has
no files but the trail's and a locked configuration, and its process has no rights worth having (`sandbox.py`).
"""

from __future__ import annotations

import json
import re
from typing import Any

TABLES = frozenset({"entries"})
_TABLE_FUNCTIONS = frozenset({"unnest", "range", "generate_series"})
_REFERENCES = frozenset({"BASE_TABLE", "JOIN", "SUBQUERY", "EMPTY", "TABLE_FUNCTION", "EXPRESSION_LIST", "CTE"})
_QUERIES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
_CLASSES = frozenset(
    {
        "CONSTANT", "COLUMN_REF", "FUNCTION", "COMPARISON", "CONJUNCTION", "OPERATOR", "CASE", "CAST", "SUBQUERY",
        "STAR", "WINDOW", "BETWEEN", "LAMBDA", "COLLATE", "POSITIONAL_REFERENCE", "TYPE",
    }
)  # fmt: skip
_FUNCTIONS = frozenset(
    re.findall(
        r"\w+",
        """
        abs age any_value approx_count_distinct approx_quantile arg_max arg_min array_agg array_contains
        array_length avg bar bit_and bit_or bit_xor bool_and bool_or cardinality ceil ceiling coalesce concat
        concat_ws contains corr count count_if count_star countif covar_pop covar_samp cume_dist date_add
        date_diff date_part date_sub date_trunc datediff datepart datesub datetrunc day dayname dayofmonth
        dayofweek dayofyear dense_rank element_at ends_with entropy epoch epoch_ms even exp extract first
        first_value flatten floor format gcd greatest group_concat hash hex histogram hour if ifnull instr
        isfinite isnan isodow isoyear json_array_length json_extract json_extract_path json_extract_path_text
        json_extract_string json_group_array json_keys json_type json_valid kurtosis lag last last_day
        last_value lcase lead least left len length list list_aggregate list_contains list_count list_distinct
        list_filter list_has list_max list_min list_position list_slice list_sort list_sum list_transform
        list_unique list_value ln log log10 log2 lower ltrim mad make_date make_timestamp map map_keys
        map_values max md5 mean median microsecond millisecond min minute mod mode month monthname now nth_value
        ntile nullif percent_rank pi pow power product quantile quantile_cont quantile_disc quarter rank
        regexp_extract regexp_extract_all regexp_full_match regexp_matches regexp_replace replace reverse right
        round row row_number rtrim second sha256 sign skewness split split_part sqrt starts_with stddev
        stddev_pop stddev_samp strftime string_agg string_split strip_accents strlen strpos strptime
        struct_extract struct_pack substr substring sum time_bucket to_days to_hours to_minutes to_months
        to_seconds to_timestamp to_weeks to_years today trim trunc try_strptime typeof ucase unicode unnest
        upper var_pop var_samp variance week weekday weekofyear year yearweek
        """,
    )
)
_OPERATORS = frozenset(
    [
        "+", "-", "*", "/", "//", "%", "**", "^", "||", "~~", "!~~", "~~~", "~~*", "!~~*", "~", "!~", "@>", "<@", "&&",
        "&", "|", "<<", ">>", "->", "->>", "^@", "array_extract", "array_slice", "like_escape", "not_like_escape",
    ]
)  # fmt: skip
LONGEST = 10_000


class NotAsked(ValueError):
    """The statement is not one that is answered; the message says why."""


def check(sql: str, engine: Any) -> None:
    """Raises `NotAsked` unless `sql` is one question that may be answered. `engine` only parses it."""
    if len(sql) > LONGEST:
        raise NotAsked(f"A question has at most {LONGEST} characters.")
    parsed = json.loads(engine.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()[0])
    if parsed.get("error"):
        told = str(parsed.get("error_message", "")).split("\n")[0]
        if "Only SELECT" in told:
            raise NotAsked("Only a SELECT is answered: nothing can be changed, loaded, attached or set here.")
        raise NotAsked(f"This is no SQL that the engine reads: {told}.")
    statements = parsed.get("statements", [])
    if len(statements) != 1:
        raise NotAsked("Ask one question at a time, without a semicolon between two.")
    _check_node(statements[0].get("node"), frozenset())


def _check_node(node: Any, names: frozenset[str]) -> None:
    if isinstance(node, list):
        for one in node:
            _check_node(one, names)
    if not isinstance(node, dict):
        return
    kind, of = str(node.get("type", "")), node.get("class")
    if of is not None:
        _check_expression(node, str(of))
    elif kind in _QUERIES:
        names = names | _names_in(node)
    elif "sample" in node or kind in _REFERENCES:
        _check_reference(node, kind, names)
    for name, value in node.items():
        if of != "CONSTANT" and name != "cast_type":
            _check_node(value, names)


def _names_in(node: dict[str, Any]) -> frozenset[str]:
    """The names that WITH gives in this query."""
    given = {str(one.get("key", "")).lower() for one in node.get("cte_map", {}).get("map", [])}
    if node.get("type") in ("CTE_NODE", "RECURSIVE_CTE_NODE"):
        given.add(str(node.get("cte_name", node.get("ctename", ""))).lower())
    return frozenset(given)


def _check_reference(node: dict[str, Any], kind: str, names: frozenset[str]) -> None:
    if kind not in _REFERENCES:
        raise NotAsked(f"{kind.replace('_', ' ').capitalize()} is not answered here. Ask about the table entries.")
    if kind == "BASE_TABLE":
        table = str(node.get("table_name", ""))
        path = node.get("qualified_name", {}).get("path", [table])
        qualified = node.get("schema_name") or node.get("catalog_name") or path != [table]
        if qualified or node.get("at_clause") or table.lower() not in TABLES | names:
            raise NotAsked(f"There is no table {table[:60]!r} here, only entries.")
    if kind == "TABLE_FUNCTION":
        called = str(node.get("function", {}).get("function_name", "")).lower()
        if called not in _TABLE_FUNCTIONS:
            raise NotAsked(f"The function {called[:60]} is not answered here: it does not only compute.")


def _check_expression(node: dict[str, Any], of: str) -> None:
    if of not in _CLASSES:
        raise NotAsked(f"An expression of this kind is not answered here: {of[:30].lower()}.")
    if of not in ("FUNCTION", "WINDOW"):
        return
    called = str(node.get("function_name", "")).lower()
    path = node.get("qualified_name", {}).get("path", [called])
    if node.get("schema") or node.get("catalog") or len(path) > 1:
        raise NotAsked("Call functions by their name alone.")
    if called and called not in _FUNCTIONS | _OPERATORS | _TABLE_FUNCTIONS:
        shown = called if re.fullmatch(r"\w{1,60}", called) else "named"
        raise NotAsked(f"The function {shown} is not answered here: it is not one of those that only compute.")
