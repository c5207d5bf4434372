"""One thin file per asset; its docstring is the text in the UI.

The work is done in the folder of the same name in `steps`.
"""
