"""Frames of a night: calibrated, masked, solved, judged; the anchors of fields."""
