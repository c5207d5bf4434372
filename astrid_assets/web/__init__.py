"""The review page, the REST API and the pages of nights and objects; never imports assets.

`views` reads the catalogue into typed models, `api` and `pages` serve them.
"""
