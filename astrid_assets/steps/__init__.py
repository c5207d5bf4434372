"""One file per night-wise step: read, call science, store, report; no Dagster here."""
