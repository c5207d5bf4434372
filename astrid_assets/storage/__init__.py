"""Plain clients: the catalogue, the object store, and the FITS files AstrID writes.

No Dagster, no surveys; the graph, the command line and the pages share them.
"""
