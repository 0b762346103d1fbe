"""The commands of `bert-tfx`, one module each; main.py starts them.

They read arguments and print results; other packages do the work.
"""
