"""Numbers of an evaluation, each a small function of scores and labels, with intervals.

What belongs together is put together in `learning.evaluation`.
"""
