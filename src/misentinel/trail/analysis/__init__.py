"""Questions in SQL over the trail: what is in the database and what is archived, as one table.

It promises that a question sees the entries of one log alone, changes nothing, and is over when its time is.
"""
