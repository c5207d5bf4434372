"""Formulas: arrays in, arrays out; no network, no clock, no environment, no disk.

Top level: the types that travel (`frame`), the bits of masks, known failures of the
data, the base class of settings. One folder per subject, in the order of the data:

arrays        tools without astronomy      calibration   bias, dark, flat, overscan
masking       what a pixel suffers from    sky           level and noise of the sky
stars         found and measured           psf           measured from stars
astrometry    WCS from stars               photometry    zero points, forced fluxes
registration  resampling to another grid   processing    one frame, all of the above
reference     stacks of earlier frames     differencing  ZOGY and the fitted kernel
detection     peaks, candidates, tracklets injection     completeness and purity
quality       numbers, limits and gates    labelling     votes, splits, data sets
simulation    skies with known truth

Files, databases and surveys are in `storage` and `surveys`; torch is in `learning`.
"""
