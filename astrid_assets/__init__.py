"""AstrID: find what changes in the sky, and keep learning what it is.

definitions  the only wiring           assets    one file per asset
partitions   survey × date             checks    the data-quality gates
jobs         jobs and schedules        sensors   what starts runs by itself
cli          the `astrid` command      resources builders of clients for Dagster
storage      catalogue, object store   surveys   how frames come in
science      arrays in, arrays out     learning  the U-Net (torch lives here only)
pictures     plots for people

Read `definitions`, `partitions`, then `assets` in the order of the graph, then
the science module that each asset names.
"""
