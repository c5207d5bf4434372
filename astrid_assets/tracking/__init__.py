"""Experiments in MLflow: client, runs, registered models, and a server on this machine."""
