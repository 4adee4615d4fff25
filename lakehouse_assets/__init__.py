"""What this lakehouse holds: one table, one name, one file, in the folders of the three layers.

Belongs here: tables with their contracts and functions, and ``definitions``, where the application is put together. How
a table is declared belongs in ``lakehouse.tables``; how it becomes an asset, in ``lakehouse.orchestration``.
"""
