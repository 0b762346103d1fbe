"""One run on one page: why it was pushed or refused, and all that led there."""
