"""The web application: pages, the API, and who may use them."""
