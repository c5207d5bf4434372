"""What a person types: `astrid …`, one file per noun, wired in `main`."""
