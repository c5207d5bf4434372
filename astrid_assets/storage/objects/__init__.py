"""Bytes under keys: a folder, S3 or R2 behind one small client, and how keys are made.

What the bytes mean is in `fits`.
"""
