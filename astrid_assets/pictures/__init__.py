"""Pictures to look at: arrays in, PNG or SVG out; small enough for an event log."""
