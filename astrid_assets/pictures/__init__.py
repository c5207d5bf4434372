"""Pictures for people: arrays in, PNG or SVG out; small enough for an event log."""
