"""What every floor stands on: ids, the clock, who acts, errors, canonical JSON and the settings.

Promises that nothing here knows a framework, a database or a network.
"""
