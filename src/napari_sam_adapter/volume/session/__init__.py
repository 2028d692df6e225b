"""The session: the document, the network, and the journal together."""
