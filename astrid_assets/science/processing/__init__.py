"""One frame from calibrated pixels to a measured and solved one: the order of the steps.

Each step has a folder of its own; this one calls them and holds the field's anchor.
"""
