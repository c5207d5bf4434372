"""The gate between a trained model and the nights: pure statistics, no storage.

`judge_pair` takes scores of a challenger and a champion on the same rows, and returns an
evidence card: every number, interval and limit, and the verdict. Who asks, what is stored
and which model is in force are no business of this package.
"""
