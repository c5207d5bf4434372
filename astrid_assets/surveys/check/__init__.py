"""Looking at a new survey: what its headers hold, what is odd, a suggested profile."""
