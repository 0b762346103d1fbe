"""BERT: the encoder network, where it comes from, and how text becomes its input."""
