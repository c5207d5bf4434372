"""Fluxes of every object on every frame, and what moves within a night."""
