"""Dagster resources, nothing else: the lakehouse that assets and sensors reach.

Belongs here: turning configuration into the library's objects. What a resource gives access to belongs in
``lakehouse``.
"""
