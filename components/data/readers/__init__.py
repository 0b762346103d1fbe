"""One module a file format: a file to examples, in pure Python, with an error for the first bad line.

A task names its reader; what is written of the examples stands in `components/data/tfrecords.py`.
"""
