"""The former home of ``lakehouse.orchestration.instance``.

Belongs here: nothing new. It stays because the ``dagster.yaml`` of existing lakes names ``instance.event_storage``.
"""
