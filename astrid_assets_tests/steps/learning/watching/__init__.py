"""What is watched once a model is in force."""
