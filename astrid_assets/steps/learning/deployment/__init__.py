"""How a model comes into force and goes out of it: one row of the catalogue, then the rest.

Whether it deserves to is decided in `deploy`. The newest row of a scope says which model
scores; aliases in the model registry follow it, and are set right by the next decision where
a crash left them behind.
"""
