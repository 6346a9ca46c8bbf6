"""Pure rules about incoming items: how a request is read (`protocol`) and what must not come in (`cards`).

No framework, no database, no clock: bytes and moments in, verdicts out.
"""
