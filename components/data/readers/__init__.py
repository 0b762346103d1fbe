"""One module for each file format: it reads examples, or raises an error that names the first bad line.

It is pure Python. A task names its reader; `components/data/tfrecords.py` writes the examples.
"""
