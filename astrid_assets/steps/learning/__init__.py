"""The learning steps: collect a training set, train on it, decide about deployment.

The network itself is in `learning`.
"""
