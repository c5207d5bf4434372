"""The sky of one frame: its level and its noise, measured on a mesh.

The sky that two frames share or not is in `differencing`.
"""
