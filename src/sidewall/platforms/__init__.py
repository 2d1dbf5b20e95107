"""Room: side effects, one file a facility, named for the operating system's noun that it owns."""
