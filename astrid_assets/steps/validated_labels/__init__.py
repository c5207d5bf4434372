"""Labels of a night, and labels from and to files and public alerts."""
