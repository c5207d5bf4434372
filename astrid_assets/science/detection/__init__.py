"""Candidates on a difference: peaks, positions, fluxes, shapes, tests, joining them.

Making the difference is in `differencing`, scoring with a network in `learning`.
"""
