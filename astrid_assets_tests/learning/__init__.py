"""Tests of the network: training, evaluation, export, inference."""
