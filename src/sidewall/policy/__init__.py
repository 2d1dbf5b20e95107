"""Room: what is allowed.  Pure data and decisions; knows no platform and does no input or output."""
