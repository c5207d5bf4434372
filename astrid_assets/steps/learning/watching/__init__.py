"""What is watched once a model is in force: its scores and inputs night by night, its errors."""
