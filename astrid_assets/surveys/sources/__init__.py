"""Where the files of a survey come from: folder, object prefix, archive, simulation.

What the files hold is read in `fits`.
"""
