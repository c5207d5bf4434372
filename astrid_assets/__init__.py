"""AstrID: find what changes in the sky, and keep learning what it is.

definitions  the only wiring            partitions  survey × date
jobs         jobs and schedules         compute     the frame loop: here, on all cores, on Ray
ops          work on request that makes no asset: searches for settings
assets       one thin file per asset    checks      the data-quality gates
sensors      what starts runs           resources   builders of clients for Dagster
steps        the work of a night, one folder per asset, without Dagster
cli          the `astrid` command       web         review page, REST API, pages
api          two frames in a notebook   standalone  frames without a survey: what `api` does
report       the HTML report            pictures    arrays in, PNG or SVG out
tracking     experiments in MLflow      learning    the U-Net; torch is imported here only
storage      catalogue, object store, FITS files that AstrID writes
surveys      profiles, sources, and the reader of FITS files from elsewhere
science      formulas: arrays in, arrays out

Read `definitions`, `partitions`, then `assets` in the order of the graph, then the
folder of the same name in `steps`, and the folders of `science` that it calls.
"""
