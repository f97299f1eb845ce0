//! Linux's error numbers.
#![no_std]
#![forbid(unsafe_code)]

macro_rules! errnos {
    ($($name:ident = $number:literal, $text:literal;)*) => {
        /// Why a kernel call failed, with Linux's numbers and names.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(i32)]
        #[expect(non_camel_case_types, reason = "ERESTART_RESTARTBLOCK is Linux's name")]
        pub enum Errno { $(#[doc = $text] $name = $number,)* }

        impl Errno {
            /// The symbolic name, as in `errno.h`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// What it means, in a few words.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The error with this number, if there is one.
            pub const fn from_number(number: i32) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }
        }
    };
}

errnos! {
    EPERM = 1, "operation not permitted";
    ENOENT = 2, "no such file or directory";
    ESRCH = 3, "no such process";
    EINTR = 4, "interrupted by a signal";
    EIO = 5, "input or output error";
    ENXIO = 6, "no such device or address";
    E2BIG = 7, "argument list too long";
    ENOEXEC = 8, "not an executable format";
    EBADF = 9, "bad file descriptor";
    ECHILD = 10, "no child to wait for";
    EAGAIN = 11, "try again";
    ENOMEM = 12, "out of memory";
    EACCES = 13, "permission denied";
    EFAULT = 14, "bad address";
    ENOTBLK = 15, "not a block device";
    EBUSY = 16, "device or resource busy";
    EEXIST = 17, "file exists";
    EXDEV = 18, "link across devices";
    ENODEV = 19, "no such device";
    ENOTDIR = 20, "not a directory";
    EISDIR = 21, "is a directory";
    EINVAL = 22, "invalid argument";
    ENFILE = 23, "too many open files in the system";
    EMFILE = 24, "too many open files";
    ENOTTY = 25, "not a terminal, or no such control";
    ETXTBSY = 26, "program file busy";
    EFBIG = 27, "file too large";
    ENOSPC = 28, "no space left";
    ESPIPE = 29, "cannot seek";
    EROFS = 30, "read-only file system";
    EMLINK = 31, "too many links";
    EPIPE = 32, "broken pipe";
    EDOM = 33, "argument out of domain";
    ERANGE = 34, "result out of range";
    EDEADLK = 35, "would deadlock";
    ENAMETOOLONG = 36, "file name too long";
    ENOLCK = 37, "no locks available";
    ENOSYS = 38, "no such system call";
    ENOTEMPTY = 39, "directory not empty";
    ELOOP = 40, "too many symbolic links";
    ENOMSG = 42, "no message of the wanted type";
    EIDRM = 43, "removed";
    ENODATA = 61, "no data available";
    ETIME = 62, "timer expired";
    EPROTO = 71, "protocol error";
    EOVERFLOW = 75, "value too large";
    EILSEQ = 84, "illegal byte sequence";
    EUSERS = 87, "too many users";
    ENOTSOCK = 88, "not a socket";
    EDESTADDRREQ = 89, "destination address required";
    EMSGSIZE = 90, "message too long";
    EPROTOTYPE = 91, "wrong kind of socket";
    ENOPROTOOPT = 92, "no such socket option";
    EPROTONOSUPPORT = 93, "protocol not supported";
    ESOCKTNOSUPPORT = 94, "kind of socket not supported";
    EOPNOTSUPP = 95, "operation not supported";
    EAFNOSUPPORT = 97, "address family not supported";
    EADDRINUSE = 98, "address in use";
    ECONNRESET = 104, "connection reset";
    ENOBUFS = 105, "no buffer space";
    EISCONN = 106, "already connected";
    ENOTCONN = 107, "not connected";
    ETOOMANYREFS = 109, "too many files in flight";
    ETIMEDOUT = 110, "timed out";
    ECONNREFUSED = 111, "connection refused";
    EALREADY = 114, "already in progress";
    EINPROGRESS = 115, "in progress";
    ECANCELED = 125, "cancelled";
    EOWNERDEAD = 130, "owner died";
    ENOTRECOVERABLE = 131, "state not recoverable";
    EHWPOISON = 133, "memory page has a hardware error";
    ERESTARTSYS = 512, "start the system call again, if the handler says so (never seen by user mode)";
    ERESTARTNOINTR = 513, "start the system call again (never seen by user mode)";
    ERESTARTNOHAND = 514, "start the system call again if there was no handler (never seen by user mode)";
    ERESTART_RESTARTBLOCK = 516, "go on with what is left of the system call (never seen by user mode)";
}

/// A result whose error is an [`Errno`].
pub type Result<T, E = Errno> = core::result::Result<T, E>;

impl Errno {
    /// The number, positive.
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// As a system call returns it: negative.
    pub const fn as_return(self) -> isize {
        -(self as i32 as isize)
    }
}

impl core::fmt::Display for Errno {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} ({})", self.name(), self.meaning())
    }
}

impl core::error::Error for Errno {}

impl From<core::fmt::Error> for Errno {
    fn from(_: core::fmt::Error) -> Self {
        Self::EIO
    }
}
