"""The embedded world: the local endpoint, its inference log, the replayed data, and the processes around them."""
