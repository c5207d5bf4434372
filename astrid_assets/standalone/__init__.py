"""Frames without a survey: files or arrays in, a subtraction or a measurement out.

Here: what `api` and `astrid subtract` ask of the science functions, and the results
that they return. Not here: formulas (`science`), and everything that needs a
catalogue, a profile, a night or a field's anchor (`steps`).
"""
