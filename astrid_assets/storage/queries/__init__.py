"""Questions to the catalogue: functions that take a session first.

One module per subject. What reviewers answered is in `review`.
"""
