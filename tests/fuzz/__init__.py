"""Fuzz targets for what strangers send: see README.md. pytest collects nothing here;
tests/fuzz/test_fuzz.py runs the corpus.
"""
