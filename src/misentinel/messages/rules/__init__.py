"""What a message becomes for one person: Liquid, plain text, MIME, DKIM. Knows no database and no framework."""
