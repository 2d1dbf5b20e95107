"""Room: seccomp filters as classic BPF: assembled, simulated, and what they say of each system call.  Pure."""
