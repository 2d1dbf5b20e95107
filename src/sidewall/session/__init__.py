"""Room: the host's handle on a cell.  Runs, streams, stops, reads and writes files, explains what was denied."""
