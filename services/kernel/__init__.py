"""Words every slice shares. Standard library only, no decisions about any one domain."""
