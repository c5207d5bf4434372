"""Master bias, dark and flat frames, and which of them each light frame uses."""
