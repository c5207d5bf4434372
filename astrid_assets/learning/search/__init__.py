"""Search for good training settings: what is tried, by what rule, and what mattered."""
