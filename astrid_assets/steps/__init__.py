"""The work of a night without Dagster: read, call science, store, report.

One folder per asset, named as the asset; here stand only what all of them use: the
loop over nights, versions of the steps, and what is out of date.
"""
