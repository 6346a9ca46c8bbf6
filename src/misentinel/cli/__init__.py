"""The command line: parse, call one action or query, print. Every command leaves an entry on the trail."""
