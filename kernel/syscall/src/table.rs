//! Which number is which system call on x86-64.
//!
//! A line without a function is a call that Linux has and Heddle has not: it gives ENOSYS, and the
//! log says so once by its name.

use core::sync::atomic::{AtomicU64, Ordering};

use errno::{Errno, Result};

use crate::call::Call;
use crate::user::Argument;
use crate::{
    adjtimex, attributes, call, clock, clone, credentials, descriptor, directory, epoll, eventfd,
    execute, exit, futex, identity, inotify, kernel_log, kill, membarrier, memory, message,
    message_queue, mount, names, open, poll, posix_timer, prctl, process_vm, ptrace, reboot,
    resource, rseq, schedule, select, semaphore, shared_memory, signal, signalfd, sleep, socket,
    splice, stat, system, timer, timerfd, transfer, wait, xattr,
};

type Handler = fn(&mut Call<'_>) -> Result<usize>;

#[derive(Clone, Copy)]
struct Entry {
    name: &'static str,
    handler: Option<Handler>,
}

/// The first number that is no system call.
const END: usize = 451;

const NO_ENTRY: Entry = Entry { name: "", handler: None };

/// One bit for each number: whether the log has complained about it.
static COMPLAINED: [AtomicU64; END.div_ceil(64)] = [const { AtomicU64::new(0) }; END.div_ceil(64)];

/// Carries out the system call that `call` has trapped with.
///
/// # Errors
/// Those of the call; ENOSYS if there is none with this number.
#[inline]
pub fn dispatch(call: &mut Call<'_>) -> Result<usize> {
    let number = call.context.system_call();
    match TABLE.get(number).and_then(|entry| entry.handler) {
        Some(handler) => handler(call),
        None => complain(number),
    }
}

/// The name of the system call with a number.
pub fn name(number: usize) -> Option<&'static str> {
    TABLE.get(number).map(|entry| entry.name).filter(|name| !name.is_empty())
}

#[cold]
fn complain(number: usize) -> Result<usize> {
    if let Some(word) = COMPLAINED.get(number / 64)
        && word.fetch_or(1 << (number % 64), Ordering::Relaxed) & 1 << (number % 64) == 0
        && let Some(name) = name(number)
    {
        let task = sched::current();
        log::info!("{}[{}]: no system call {name} ({number})", task.comm(), task.pid());
    }
    Err(Errno::ENOSYS)
}

/// A function that takes a call's arguments out of its registers.
macro_rules! handler {
    ($module:ident :: $function:ident [call: $($argument:ident),*]) => {{
        #[allow(unused_mut, unused_variables, unused_assignments)]
        fn handler(call: &mut Call<'_>) -> Result<usize> {
            let mut place = 0;
            $(
                let $argument = Argument::from_word(call.argument(place));
                place += 1;
            )*
            $module::$function(call, $($argument),*)
        }
        Some(handler as Handler)
    }};
    ($module:ident :: $function:ident [$($argument:ident),*]) => {{
        #[allow(unused_mut, unused_variables, unused_assignments)]
        fn handler(call: &mut Call<'_>) -> Result<usize> {
            let mut place = 0;
            $(
                let $argument = Argument::from_word(call.argument(place));
                place += 1;
            )*
            $module::$function($($argument),*)
        }
        Some(handler as Handler)
    }};
    () => { None };
}

macro_rules! system_calls {
    ($($number:literal $name:ident
        $(= $module:ident :: $function:ident [$($arguments:tt)*])?;)*) => {
        static TABLE: [Entry; END] = {
            let mut table = [NO_ENTRY; END];
            $(table[$number] = Entry {
                name: stringify!($name),
                handler: handler!($($module::$function [$($arguments)*])?),
            };)*
            table
        };
    };
}

#[rustfmt::skip]
system_calls! {
    0 read = transfer::read [fd, buffer, count];
    1 write = transfer::write [fd, buffer, count];
    2 open = open::open [path, flags, mode];
    3 close = descriptor::close [fd];
    4 stat = stat::stat [path, result];
    5 fstat = stat::fstat [fd, result];
    6 lstat = stat::lstat [path, result];
    7 poll = poll::poll [call: descriptors, count, timeout];
    8 lseek = transfer::lseek [fd, offset, whence];
    9 mmap = memory::mmap [address, length, protection, flags, fd, offset];
    10 mprotect = memory::mprotect [address, length, protection];
    11 munmap = memory::munmap [address, length];
    12 brk = memory::brk [address];
    13 rt_sigaction = signal::sigaction [signal, new, old, size];
    14 rt_sigprocmask = signal::sigprocmask [how, new, old, size];
    15 rt_sigreturn = signal::sigreturn [call:];
    16 ioctl = descriptor::ioctl [fd, command, argument];
    17 pread64 = transfer::pread [fd, buffer, count, position];
    18 pwrite64 = transfer::pwrite [fd, buffer, count, position];
    19 readv = transfer::readv [fd, segments, count];
    20 writev = transfer::writev [fd, segments, count];
    21 access = stat::access [path, mode];
    22 pipe = descriptor::pipe [ends];
    23 select = select::select [call: count, read, write, except, timeout];
    24 sched_yield = schedule::sched_yield [];
    25 mremap = memory::mremap [address, old_length, new_length, flags, new_address];
    26 msync = memory::msync [address, length, flags];
    27 mincore = memory::mincore [address, length, result];
    28 madvise = memory::madvise [address, length, advice];
    29 shmget = shared_memory::shmget [key, size, flags];
    30 shmat = shared_memory::shmat [segment, address, flags];
    31 shmctl = shared_memory::shmctl [segment, command, argument];
    32 dup = descriptor::dup [fd];
    33 dup2 = descriptor::dup2 [old, new];
    34 pause = signal::pause [];
    35 nanosleep = sleep::nanosleep [call: length, remaining];
    36 getitimer = timer::getitimer [which, result];
    37 alarm = timer::alarm [seconds];
    38 setitimer = timer::setitimer [which, new, old];
    39 getpid = identity::getpid [];
    40 sendfile = transfer::sendfile [output, input, position, count];
    41 socket = socket::socket [family, kind, protocol];
    42 connect = socket::connect [fd, address, length];
    43 accept = socket::accept [fd, address, length];
    44 sendto = socket::sendto [fd, buffer, length, flags, address, address_length];
    45 recvfrom = socket::recvfrom [fd, buffer, length, flags, address, address_length];
    46 sendmsg = socket::sendmsg [fd, message, flags];
    47 recvmsg = socket::recvmsg [fd, message, flags];
    48 shutdown = socket::shutdown [fd, how];
    49 bind = socket::bind [fd, address, length];
    50 listen = socket::listen [fd, backlog];
    51 getsockname = socket::getsockname [fd, address, length];
    52 getpeername = socket::getpeername [fd, address, length];
    53 socketpair = socket::socketpair [family, kind, protocol, pair];
    54 setsockopt = socket::setsockopt [fd, level, option, value, length];
    55 getsockopt = socket::getsockopt [fd, level, option, value, length];
    56 clone = clone::clone [call: flags, stack, parent_tid, child_tid, tls];
    57 fork = clone::fork [call:];
    58 vfork = clone::vfork [call:];
    59 execve = execute::execve [call: path, arguments, environment];
    60 exit = exit::exit [call: status];
    61 wait4 = wait::wait4 [pid, status, options, usage];
    62 kill = kill::kill [pid, signal];
    63 uname = system::uname [result];
    64 semget = semaphore::semget [key, count, flags];
    65 semop = semaphore::semop [set, operations, count];
    66 semctl = semaphore::semctl [set, index, command, argument];
    67 shmdt = shared_memory::shmdt [address];
    68 msgget = message::msgget [key, flags];
    69 msgsnd = message::msgsnd [queue, message, length, flags];
    70 msgrcv = message::msgrcv [queue, message, length, kind, flags];
    71 msgctl = message::msgctl [queue, command, argument];
    72 fcntl = descriptor::fcntl [fd, command, argument];
    73 flock = descriptor::flock [fd, operation];
    74 fsync = transfer::fsync [fd];
    75 fdatasync = transfer::fsync [fd];
    76 truncate = transfer::truncate [path, length];
    77 ftruncate = transfer::ftruncate [fd, length];
    78 getdents = directory::getdents [fd, buffer, size];
    79 getcwd = directory::getcwd [buffer, size];
    80 chdir = directory::chdir [path];
    81 fchdir = directory::fchdir [fd];
    82 rename = names::rename [old, new];
    83 mkdir = names::mkdir [path, mode];
    84 rmdir = names::rmdir [path];
    85 creat = open::creat [path, mode];
    86 link = names::link [old, new];
    87 unlink = names::unlink [path];
    88 symlink = names::symlink [target, path];
    89 readlink = stat::readlink [path, buffer, size];
    90 chmod = attributes::chmod [path, mode];
    91 fchmod = attributes::fchmod [fd, mode];
    92 chown = attributes::chown [path, uid, gid];
    93 fchown = attributes::fchown [fd, uid, gid];
    94 lchown = attributes::lchown [path, uid, gid];
    95 umask = attributes::umask [mask];
    96 gettimeofday = clock::gettimeofday [value, zone];
    97 getrlimit = resource::getrlimit [resource, result];
    98 getrusage = resource::getrusage [who, result];
    99 sysinfo = system::sysinfo [result];
    100 times = resource::times [result];
    101 ptrace = ptrace::ptrace [request, pid, address, data];
    102 getuid = credentials::getuid [];
    103 syslog = kernel_log::syslog [action, buffer, length];
    104 getgid = credentials::getgid [];
    105 setuid = credentials::setuid [uid];
    106 setgid = credentials::setgid [gid];
    107 geteuid = credentials::geteuid [];
    108 getegid = credentials::getegid [];
    109 setpgid = identity::setpgid [pid, group];
    110 getppid = identity::getppid [];
    111 getpgrp = identity::getpgrp [];
    112 setsid = identity::setsid [];
    113 setreuid = credentials::setreuid [real, effective];
    114 setregid = credentials::setregid [real, effective];
    115 getgroups = credentials::getgroups [size, list];
    116 setgroups = credentials::setgroups [size, list];
    117 setresuid = credentials::setresuid [real, effective, saved];
    118 getresuid = credentials::getresuid [real, effective, saved];
    119 setresgid = credentials::setresgid [real, effective, saved];
    120 getresgid = credentials::getresgid [real, effective, saved];
    121 getpgid = identity::getpgid [pid];
    122 setfsuid = credentials::setfsuid [uid];
    123 setfsgid = credentials::setfsgid [gid];
    124 getsid = identity::getsid [pid];
    125 capget = credentials::capget [header, data];
    126 capset = credentials::capset [header, data];
    127 rt_sigpending = signal::sigpending [result, size];
    128 rt_sigtimedwait = signal::sigtimedwait [set, info, timeout, size];
    129 rt_sigqueueinfo = kill::sigqueueinfo [pid, signal, info];
    130 rt_sigsuspend = signal::sigsuspend [mask, size];
    131 sigaltstack = signal::sigaltstack [call: new, old];
    132 utime = attributes::utime [path, times];
    133 mknod = names::mknod [path, mode, device];
    134 uselib;
    135 personality = prctl::personality [persona];
    136 ustat;
    137 statfs = stat::statfs [path, result];
    138 fstatfs = stat::fstatfs [fd, result];
    139 sysfs;
    140 getpriority = schedule::getpriority [which, who];
    141 setpriority = schedule::setpriority [which, who, nice];
    142 sched_setparam = schedule::sched_setparam [pid, parameter];
    143 sched_getparam = schedule::sched_getparam [pid, parameter];
    144 sched_setscheduler = schedule::sched_setscheduler [pid, policy, parameter];
    145 sched_getscheduler = schedule::sched_getscheduler [pid];
    146 sched_get_priority_max = schedule::sched_get_priority_max [policy];
    147 sched_get_priority_min = schedule::sched_get_priority_min [policy];
    148 sched_rr_get_interval = schedule::sched_rr_get_interval [pid, result];
    149 mlock = memory::mlock [address, length];
    150 munlock = memory::munlock [address, length];
    151 mlockall = memory::mlockall [flags];
    152 munlockall = memory::munlockall [];
    153 vhangup = system::vhangup [];
    154 modify_ldt;
    155 pivot_root;
    156 _sysctl;
    157 prctl = prctl::prctl [call: option, second, third, fourth, fifth];
    158 arch_prctl = prctl::arch_prctl [call: code, address];
    159 adjtimex = adjtimex::adjtimex [place];
    160 setrlimit = resource::setrlimit [resource, new];
    161 chroot = directory::chroot [path];
    162 sync = transfer::sync [];
    163 acct;
    164 settimeofday = clock::settimeofday [value, zone];
    165 mount = mount::mount [source, target, kind, flags, data];
    166 umount2 = mount::umount2 [target, flags];
    167 swapon;
    168 swapoff;
    169 reboot = reboot::reboot [first, second, command, argument];
    170 sethostname = system::sethostname [name, length];
    171 setdomainname = system::setdomainname [name, length];
    172 iopl;
    173 ioperm;
    174 create_module;
    175 init_module;
    176 delete_module;
    177 get_kernel_syms;
    178 query_module;
    179 quotactl;
    180 nfsservctl;
    181 getpmsg;
    182 putpmsg;
    183 afs_syscall;
    184 tuxcall;
    185 security;
    186 gettid = identity::gettid [];
    187 readahead = transfer::readahead [fd, offset, count];
    188 setxattr = xattr::of_path [path];
    189 lsetxattr = xattr::of_link [path];
    190 fsetxattr = xattr::of_file [fd];
    191 getxattr = xattr::of_path [path];
    192 lgetxattr = xattr::of_link [path];
    193 fgetxattr = xattr::of_file [fd];
    194 listxattr = xattr::list [path];
    195 llistxattr = xattr::list_of_link [path];
    196 flistxattr = xattr::list_of_file [fd];
    197 removexattr = xattr::of_path [path];
    198 lremovexattr = xattr::of_link [path];
    199 fremovexattr = xattr::of_file [fd];
    200 tkill = kill::tkill [tid, signal];
    201 time = clock::time [result];
    202 futex = futex::futex [call: address, operation, value, timeout, second, third];
    203 sched_setaffinity = schedule::sched_setaffinity [pid, size, mask];
    204 sched_getaffinity = schedule::sched_getaffinity [pid, size, mask];
    205 set_thread_area;
    206 io_setup;
    207 io_destroy;
    208 io_getevents;
    209 io_submit;
    210 io_cancel;
    211 get_thread_area;
    212 lookup_dcookie;
    213 epoll_create = epoll::epoll_create [size];
    214 epoll_ctl_old;
    215 epoll_wait_old;
    216 remap_file_pages;
    217 getdents64 = directory::getdents64 [fd, buffer, size];
    218 set_tid_address = identity::set_tid_address [address];
    219 restart_syscall = call::restart_syscall [call:];
    220 semtimedop = semaphore::semtimedop [set, operations, count, timeout];
    221 fadvise64 = transfer::fadvise [fd, offset, length, advice];
    222 timer_create = posix_timer::timer_create [clock, event, result];
    223 timer_settime = posix_timer::timer_settime [timer, flags, new, old];
    224 timer_gettime = posix_timer::timer_gettime [timer, result];
    225 timer_getoverrun = posix_timer::timer_getoverrun [timer];
    226 timer_delete = posix_timer::timer_delete [timer];
    227 clock_settime = clock::clock_settime [clock, value];
    228 clock_gettime = clock::clock_gettime [clock, result];
    229 clock_getres = clock::clock_getres [clock, result];
    230 clock_nanosleep = sleep::clock_nanosleep [call: clock, flags, time, remaining];
    231 exit_group = exit::exit_group [call: status];
    232 epoll_wait = epoll::epoll_wait [epoll, events, count, timeout];
    233 epoll_ctl = epoll::epoll_ctl [epoll, operation, fd, event];
    234 tgkill = kill::tgkill [group, tid, signal];
    235 utimes = attributes::utimes [path, times];
    236 vserver;
    237 mbind;
    238 set_mempolicy;
    239 get_mempolicy;
    240 mq_open = message_queue::mq_open [name, flags, mode, attributes];
    241 mq_unlink = message_queue::mq_unlink [name];
    242 mq_timedsend = message_queue::mq_timedsend [queue, message, length, priority, deadline];
    243 mq_timedreceive = message_queue::mq_timedreceive [queue, message, length, priority, deadline];
    244 mq_notify = message_queue::mq_notify [queue, event];
    245 mq_getsetattr = message_queue::mq_getsetattr [queue, new, old];
    246 kexec_load;
    247 waitid = wait::waitid [kind, id, info, options, usage];
    248 add_key;
    249 request_key;
    250 keyctl;
    251 ioprio_set;
    252 ioprio_get;
    253 inotify_init = inotify::inotify_init [];
    254 inotify_add_watch = inotify::inotify_add_watch [fd, path, mask];
    255 inotify_rm_watch = inotify::inotify_rm_watch [fd, number];
    256 migrate_pages;
    257 openat = open::openat [directory, path, flags, mode];
    258 mkdirat = names::mkdirat [directory, path, mode];
    259 mknodat = names::mknodat [directory, path, mode, device];
    260 fchownat = attributes::fchownat [directory, path, uid, gid, flags];
    261 futimesat = attributes::futimesat [directory, path, times];
    262 newfstatat = stat::newfstatat [directory, path, result, flags];
    263 unlinkat = names::unlinkat [directory, path, flags];
    264 renameat = names::renameat [old_directory, old, new_directory, new];
    265 linkat = names::linkat [old_directory, old, new_directory, new, flags];
    266 symlinkat = names::symlinkat [target, directory, path];
    267 readlinkat = stat::readlinkat [directory, path, buffer, size];
    268 fchmodat = attributes::fchmodat [directory, path, mode];
    269 faccessat = stat::faccessat [directory, path, mode];
    270 pselect6 = select::pselect6 [call: count, read, write, except, timeout, mask];
    271 ppoll = poll::ppoll [call: descriptors, count, timeout, mask, size];
    272 unshare = clone::unshare [flags];
    273 set_robust_list = futex::set_robust_list [head, size];
    274 get_robust_list = futex::get_robust_list [pid, head, size];
    275 splice = splice::splice [input, input_position, output, output_position, length, flags];
    276 tee = splice::tee [input, output, length, flags];
    277 sync_file_range;
    278 vmsplice = splice::vmsplice [fd, list, count, flags];
    279 move_pages;
    280 utimensat = attributes::utimensat [directory, path, times, flags];
    281 epoll_pwait = epoll::epoll_pwait [call: epoll, events, count, timeout, mask, size];
    282 signalfd = signalfd::signalfd [fd, mask, size];
    283 timerfd_create = timerfd::timerfd_create [clock, flags];
    284 eventfd = eventfd::eventfd [value];
    285 fallocate = transfer::fallocate [fd, mode, offset, length];
    286 timerfd_settime = timerfd::timerfd_settime [fd, flags, new, old];
    287 timerfd_gettime = timerfd::timerfd_gettime [fd, result];
    288 accept4 = socket::accept4 [fd, address, length, flags];
    289 signalfd4 = signalfd::signalfd4 [fd, mask, size, flags];
    290 eventfd2 = eventfd::eventfd2 [value, flags];
    291 epoll_create1 = epoll::epoll_create1 [flags];
    292 dup3 = descriptor::dup3 [old, new, flags];
    293 pipe2 = descriptor::pipe2 [ends, flags];
    294 inotify_init1 = inotify::inotify_init1 [flags];
    295 preadv = transfer::preadv [fd, segments, count, position];
    296 pwritev = transfer::pwritev [fd, segments, count, position];
    297 rt_tgsigqueueinfo = kill::tgsigqueueinfo [group, tid, signal, info];
    298 perf_event_open;
    299 recvmmsg = socket::recvmmsg [fd, messages, count, flags, timeout];
    300 fanotify_init;
    301 fanotify_mark;
    302 prlimit64 = resource::prlimit64 [pid, resource, new, old];
    303 name_to_handle_at;
    304 open_by_handle_at;
    305 clock_adjtime = adjtimex::clock_adjtime [clock, place];
    306 syncfs = transfer::syncfs [fd];
    307 sendmmsg = socket::sendmmsg [fd, messages, count, flags];
    308 setns = clone::setns [fd, kinds];
    309 getcpu = schedule::getcpu [cpu, node];
    310 process_vm_readv = process_vm::readv [pid, local, local_count, remote, remote_count, flags];
    311 process_vm_writev = process_vm::writev [pid, local, local_count, remote, remote_count, flags];
    312 kcmp;
    313 finit_module;
    314 sched_setattr = schedule::sched_setattr [pid, attributes, flags];
    315 sched_getattr = schedule::sched_getattr [pid, attributes, size, flags];
    316 renameat2 = names::renameat2 [old_directory, old, new_directory, new, flags];
    317 seccomp;
    318 getrandom = system::getrandom [buffer, count, flags];
    319 memfd_create = descriptor::memfd_create [name, flags];
    320 kexec_file_load;
    321 bpf;
    322 execveat = execute::execveat [call: directory, path, arguments, environment, flags];
    323 userfaultfd;
    324 membarrier = membarrier::membarrier [command, flags, cpu];
    325 mlock2 = memory::mlock2 [address, length, flags];
    326 copy_file_range = transfer::copy_file_range [input, input_position, output, output_position, count, flags];
    327 preadv2 = transfer::preadv2 [fd, segments, count, position, high, flags];
    328 pwritev2 = transfer::pwritev2 [fd, segments, count, position, high, flags];
    329 pkey_mprotect;
    330 pkey_alloc;
    331 pkey_free;
    332 statx = stat::statx [directory, path, flags, mask, result];
    333 io_pgetevents;
    334 rseq = rseq::rseq [area, length, flags, signature];
    424 pidfd_send_signal = kill::pidfd_send_signal [fd, signal, info, flags];
    425 io_uring_setup;
    426 io_uring_enter;
    427 io_uring_register;
    428 open_tree;
    429 move_mount;
    430 fsopen;
    431 fsconfig;
    432 fsmount;
    433 fspick;
    434 pidfd_open = kill::pidfd_open [pid, flags];
    435 clone3 = clone::clone3 [call: arguments, size];
    436 close_range = descriptor::close_range [first, last, flags];
    437 openat2 = open::openat2 [directory, path, how, size];
    438 pidfd_getfd = kill::pidfd_getfd [pidfd, fd, flags];
    439 faccessat2 = stat::faccessat2 [directory, path, mode, flags];
    440 process_madvise;
    441 epoll_pwait2 = epoll::epoll_pwait2 [call: epoll, events, count, timeout, mask, size];
    442 mount_setattr;
    443 quotactl_fd;
    444 landlock_create_ruleset;
    445 landlock_add_rule;
    446 landlock_restrict_self;
    447 memfd_secret;
    448 process_mrelease;
    449 futex_waitv = futex::futex_waitv [list, count, flags, timeout, clock];
    450 set_mempolicy_home_node;
}
