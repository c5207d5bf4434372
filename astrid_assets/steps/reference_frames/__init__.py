"""References of a night: chosen, stacked, versioned, and read again by later steps."""
