"""Room: policy and host facts become an ordered list of typed steps and a guarantee report.  Pure."""
