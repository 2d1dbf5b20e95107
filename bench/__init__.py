"""What Sidewall costs, measured against nothing at all and against its peers.  Standard library only."""
