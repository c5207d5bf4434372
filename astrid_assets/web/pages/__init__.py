"""Pages for people: HTML from templates, one module per group of pages."""
