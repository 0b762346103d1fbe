"""The BERT encoder: network, tokenizer, packing of tokens into sequences, and where weights come from.

It knows nothing of tasks.
"""
