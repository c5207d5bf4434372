"""Measured numbers, their limits, and the gates that judge frames and nights.

A gate judges and measures nothing, except where a measurement exists for judging only
(noise patterns, the check of a subtraction by the other method).
"""
