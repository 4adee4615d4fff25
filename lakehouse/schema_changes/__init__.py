"""Schema changes: columns that arrived undeclared, and the declarations proposed for them.

Belongs here: reading drift across files and proposing contract lines. Noticing drift in one file belongs in
``ingestion``.
"""
