"""How frames come in: the survey profile, its sources, and the door for FITS."""
