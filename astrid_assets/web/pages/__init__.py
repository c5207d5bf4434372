"""Pages for the browser: HTML from templates, one module per group of pages."""
