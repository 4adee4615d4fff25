"""The command line: one module a command, which parses, calls ``Lakehouse`` and renders.

Belongs here: options, exit codes, JSON, tables for people, progress on a terminal. Not here: anything that another face
would need, too; that belongs in the library and is reached by ``lakehouse.project.Lakehouse``.
"""
