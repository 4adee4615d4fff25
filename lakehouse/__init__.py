"""A lakehouse as a library: from landing files to published Delta tables, and the answers people ask of them.

Belongs here: every idea that holds for anybody's tables, a room an idea. Rooms import only rooms that stand above them
(``tests/test_rooms.py`` lists the order). Not here: tables, which live in ``lakehouse_assets``, and the Dagster rooms.
"""
