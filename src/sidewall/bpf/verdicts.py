"""What the filter says of each system call, by name, where it is not simply "go on".

Knows: which calls are refused, with which error, and which depend on their arguments.
Must not know: numbers, instructions, the policy.
Follows: the manual pages of the calls named; the reasons stand with each group.

EPERM says "you may not": programs report it and go on.  ENOSYS says "this kernel has no such call": programs and
libraries then take the older way, so it is the answer where an older way exists that the filter can see into.
"""

from __future__ import annotations

# The mount table and the root: a mount would uncover what is masked and make writable what is not.
_MOUNTS = """
    mount umount2 pivot_root chroot move_mount open_tree open_tree_attr fsopen fsconfig fsmount fspick mount_setattr
    setns
"""

# The machine as a whole: its modules, swap, clock, name, accounts of use, kernel log, ports.  Mostly these also ask
# for a capability, but inside a user namespace some capabilities are cheap, and two layers hold better than one.
_MACHINE = """
    swapon swapoff reboot kexec_load kexec_file_load init_module finit_module delete_module iopl ioperm acct quotactl
    quotactl_fd settimeofday clock_settime clock_adjtime adjtimex sethostname setdomainname syslog vhangup
    lookup_dcookie nfsservctl
"""

# Large and often attacked parts of the kernel that builds and tests do not need.
_SURFACE = """
    bpf perf_event_open userfaultfd fanotify_init fanotify_mark
"""

# Files by handle go round every path; keys of the user are not divided by any namespace; a security label asked for
# by one program would hold for the next.
_AROUND = """
    open_by_handle_at name_to_handle_at add_key request_key keyctl lsm_set_self_attr
"""

# Other processes: their memory, descriptors and pages.  Where the process namespace is shared, a process that is not
# confined must not be a way out; where it is not, the cell's own init must not be.
_PROCESSES = """
    ptrace process_vm_readv process_vm_writev process_madvise pidfd_getfd kcmp
"""

# Which memory node a page lies on: two of these reach other processes, all are for tuning a machine of one's own.
_PLACEMENT = """
    mbind move_pages migrate_pages set_mempolicy set_mempolicy_home_node
"""

EPERM = tuple((_MOUNTS + _MACHINE + _SURFACE + _AROUND + _PROCESSES + _PLACEMENT).split())

# clone3 keeps its flags in memory, where a filter cannot look: C libraries fall back to clone.  io_uring does its
# work without system calls.  statmount, listmount and listns tell of mounts and namespaces outside.  modify_ldt is for
# 16-bit programs.  The rest is dead in every kernel that has Landlock.
_ABSENT = """
    clone3 io_uring_setup io_uring_enter io_uring_register statmount listmount listns modify_ldt
    uselib ustat sysfs _sysctl create_module get_kernel_syms query_module getpmsg putpmsg afs_syscall tuxcall security
    vserver epoll_ctl_old epoll_wait_old set_thread_area get_thread_area
"""

ENOSYS = tuple(_ABSENT.split())

# Decided by their arguments, with the words of ``explain``.
BY_ARGUMENT = {
    "clone": "EPERM with a flag for a new namespace",
    "unshare": "EPERM with a flag other than for files, file system attributes, semaphores, or threads and memory",
    "personality": "EPERM unless it asks, resets, or switches address randomization off",
    "seccomp": "EPERM for a filter with a listener",
    "ioctl": "EPERM for requests that type into, redirect or change a terminal",
    "socket": "by address family, type and protocol",
    "socketpair": "by address family and type",
    "setrlimit": "done without effect for the size of core dumps",
    "prlimit64": "done without effect, or EPERM, where it would change the size of core dumps",
}

# Only where the cell shares the host's ipc and pid namespaces: what is shared by key or by name between all processes
# of the user, and the tuning of other processes (a caller names itself by 0).  Where the first argument says what the
# second is a number of, one value means "all processes of the user", and 0 then is the caller's user: that one value.
SHARED_EPERM = tuple("""
    shmget shmat shmctl msgget msgsnd msgrcv msgctl semget semop semctl semtimedop mq_open mq_unlink
""".split())
SHARED_FIRST_ZERO = ("sched_setscheduler", "sched_setparam", "sched_setattr", "sched_setaffinity")
SHARED_SECOND_ZERO = {"setpriority": 2, "ioprio_set": 3}

# Allowed, unless connections to unix sockets are mediated: then the keeper outside is asked.
MEDIATED = "connect"
