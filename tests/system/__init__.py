"""Tests of whole processes: crashes, the daemon, the UI, Spark and object stores."""
