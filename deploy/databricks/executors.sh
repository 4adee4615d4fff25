#!/bin/bash
# What the tasks of the lakehouse import beside PyArrow and NumPy; its own code comes with the session.
set -euo pipefail
/databricks/python/bin/pip install --quiet \
  "msgspec>=0.22,<1" \
  "obstore>=0.12,<0.13"
