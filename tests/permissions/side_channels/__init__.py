"""Ways by which something leaks though every door is shut: search, counts, held keys, error pages, files."""
