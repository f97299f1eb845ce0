//! System calls that are not made, because a kernel that does what they say would rightly end the test.

/// One past the largest number that is tried.
pub(crate) const NUMBERS: u64 = 470;

/// Sorted ranges of numbers, first and last.
const FORBIDDEN: [(u64, u64); 24] = [
    (60, 60),   // exit: ends a worker and tests nothing
    (62, 62),   // kill: could hit the supervisor
    (101, 101), // ptrace: could stop PID 1; see `tracee`
    (109, 109), // setpgid, setsid: would hide from the supervisor
    (112, 112),
    (129, 129), // rt_sigqueueinfo
    (142, 142), // sched_setparam, sched_setscheduler: a real-time worker starves the supervisor
    (144, 144),
    (153, 153), // vhangup: takes the console away
    (155, 155), // pivot_root
    (161, 161), // chroot
    (163, 173), // acct, settimeofday, mount, umount2, swapon, swapoff, reboot, host names, iopl, ioperm
    (200, 200), // tkill
    (231, 231), // exit_group
    (234, 234), // tgkill
    (246, 246), // kexec_load
    (297, 297), // rt_tgsigqueueinfo
    (311, 311), // process_vm_writev: could write to PID 1
    (314, 314), // sched_setattr
    (320, 320), // kexec_file_load
    (424, 424), // pidfd_send_signal
    (428, 433), // open_tree, move_mount, fsopen, fsconfig, fsmount, fspick
    (438, 438), // pidfd_getfd
    (442, 442), // mount_setattr
];

/// Whether the call is not to be made.
pub(crate) fn is_forbidden(number: u64) -> bool {
    FORBIDDEN.iter().any(|&(first, last)| (first..=last).contains(&number))
}

/// Whether the call makes a process.
pub(crate) fn makes_process(number: u64) -> bool {
    const CLONE: u64 = 56;
    const FORK: u64 = 57;
    const VFORK: u64 = 58;
    const CLONE3: u64 = 435;
    matches!(number, CLONE | FORK | VFORK | CLONE3)
}
