"""The names of a dataset's splits."""

SPLITS = ("train", "val", "test")
"""The sides, in the one direction in which a group may move."""

SPARE = "spare"
"""Instead of val or test for a row that may only train: its object judges, so no model
of the version sees it. Cross-validation trains on it where its object is not judged."""
