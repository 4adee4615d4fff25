"""The quarantine: the table of rejected rows, and the decisions people make about them.

Belongs here: what is kept of a rejected row, and how decisions apply to rows. Showing, correcting and replaying rows
belongs in ``corrections``; writing them with a partition, in ``publication``.
"""
