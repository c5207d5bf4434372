"""The version of each step: raised when its results change for the same input.

Part of the hash that says whether a night is done, and Dagster's `code_version`.
"""

REGISTER = "3"
MASTERS = "1"
PROCESS = "6"
REFERENCE = "4"
SUBTRACT = "4"
DETECT = "5"
INJECT = "4"
LIGHT_CURVES = "1"
LABEL = "3"
COLLECT = "5"
TRAIN = "6"
EVALUATE = "1"
DEPLOY = "6"
CUTOUTS = "1"
"""What a network is given: which images, cut out how, in which units, and which measurements
in which order. A model of another version is refused. Raised only together with `DETECT` and
`INJECT`: a new model scores the stored cutouts of an unchanged search."""
