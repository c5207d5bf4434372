"""The HTML report: what was found, how well, and why; read from the catalogue."""
