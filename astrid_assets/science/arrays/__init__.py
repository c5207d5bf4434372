"""Array tools that know no astronomy: types, compiled loops, threads, components.

A function that needs a frame, a star or a PSF belongs in the folder of that subject.
"""
