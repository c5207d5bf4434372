"""The network: how it is built, trained, judged, exported and run."""
