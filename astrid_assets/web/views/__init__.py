"""View models: what pages and the API show, read from the catalogue, typed."""
