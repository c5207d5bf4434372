"""The data-quality gates as Dagster shows them; assets judge, `checks` only shows."""
