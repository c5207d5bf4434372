"""Reference images: which frames are good enough, and how they are stacked."""
