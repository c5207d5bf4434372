"""What takes longer than a test should: how fast, how exact and how sensitive AstrID is.

Each script runs as `python -m benchmarks.NAME`, prints its figures, and with `--keep`
writes the same figures to `results/NAME.json`; the documentation shows those.
"""
