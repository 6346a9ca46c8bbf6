"""Questions to begin with. A test asks each of them."""

from __future__ import annotations

EXAMPLES: dict[str, str] = {
    "Who saw a person's data in March": """SELECT actor_kind, actor_id, tag, count(*) AS times,
  min(time) AS first, max(time) AS last
FROM entries
WHERE person_id = '00000000-0000-0000-0000-000000000000'
  AND time >= '2026-03-01' AND time < '2026-04-01'
GROUP BY actor_kind, actor_id, tag ORDER BY times DESC""",
    "What is done most": "SELECT tag, count(*) AS times FROM entries GROUP BY tag ORDER BY times DESC LIMIT 20",
    "Who fails or is refused": """SELECT actor_id, count(*) AS times FROM entries
WHERE outcome IN ('failed', 'refused') GROUP BY actor_id ORDER BY times DESC LIMIT 20""",
    "Reads of people, day by day": """SELECT date_trunc('day', time) AS day, count(*) AS reads FROM entries
WHERE tag IN ('person:view', 'person:list') GROUP BY day ORDER BY day""",
    "Addresses that were new this week": """SELECT address, min(time) AS first, count(*) AS times FROM entries
WHERE address <> '' GROUP BY address HAVING min(time) > now()::TIMESTAMP - INTERVAL 7 DAY ORDER BY first""",
    "Who read the trail itself": """SELECT actor_id, tag, count(*) AS times FROM entries
WHERE tag IN ('trail:list', 'trail:view', 'trail:query', 'log:read') GROUP BY actor_id, tag ORDER BY times DESC""",
}
