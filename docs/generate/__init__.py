"""Pages written from what the code declares; one module per kind of page.

Sentences belong beside what they describe, in the code; nothing is described here.
"""
