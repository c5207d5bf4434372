"""When to train again: settings, facts, and a decision that is a pure function of both.

Nothing here knows Dagster; the sensor adds what it knows of runs.
"""
