"""The catalogue as a database: connection, tables, migrations, ids, writing rows.

Questions to it are in `queries`; what reviewers do in `review`.
"""
