"""The landing zone: objects by source and landing date, their control totals, and the reader of landing files.

Belongs here: what lies where sources drop files, and what is in it. Turning files into bronze rows belongs in
``ingestion``.
"""
