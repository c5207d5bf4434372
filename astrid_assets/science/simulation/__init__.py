"""A synthetic sky with known truth: pure functions, seeds in, arrays out."""
