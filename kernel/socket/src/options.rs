//! What can be set on a socket of any family.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// A new socket's buffers, in bytes.
pub const BUFFER_DEFAULT: usize = 212_992;
/// The smallest that can be set.
pub const BUFFER_MIN: usize = 4608;
/// The largest that can be set without CAP_NET_ADMIN, as it is shown: twice what may be asked for.
pub const BUFFER_MAX: usize = 2 * 212_992;

/// Settings that mean something here. All are read without a lock; each stands alone.
pub struct Options {
    pass_credentials: AtomicBool,
    receive_timeout: AtomicU64,
    send_timeout: AtomicU64,
    receive_low: AtomicU32,
    receive_buffer: AtomicUsize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            pass_credentials: AtomicBool::new(false),
            receive_timeout: AtomicU64::new(0),
            send_timeout: AtomicU64::new(0),
            receive_low: AtomicU32::new(1),
            receive_buffer: AtomicUsize::new(BUFFER_DEFAULT),
        }
    }
}

impl Options {
    /// `SO_PASSCRED`: each message read tells who sent it.
    pub fn passes_credentials(&self) -> bool {
        self.pass_credentials.load(Ordering::Relaxed)
    }

    /// Sets [`passes_credentials`](Self::passes_credentials).
    pub fn set_pass_credentials(&self, on: bool) {
        self.pass_credentials.store(on, Ordering::Relaxed);
    }

    /// `SO_RCVTIMEO` in nanoseconds; 0: none.
    pub fn receive_timeout(&self) -> u64 {
        self.receive_timeout.load(Ordering::Relaxed)
    }

    /// Sets [`receive_timeout`](Self::receive_timeout).
    pub fn set_receive_timeout(&self, timeout: u64) {
        self.receive_timeout.store(timeout, Ordering::Relaxed);
    }

    /// Until when a receiver that begins now waits; none: for ever.
    pub fn receive_deadline(&self) -> Option<u64> {
        deadline(self.receive_timeout())
    }

    /// `SO_SNDTIMEO` in nanoseconds; 0: none.
    pub fn send_timeout(&self) -> u64 {
        self.send_timeout.load(Ordering::Relaxed)
    }

    /// Sets [`send_timeout`](Self::send_timeout).
    pub fn set_send_timeout(&self, timeout: u64) {
        self.send_timeout.store(timeout, Ordering::Relaxed);
    }

    /// Until when a sender that begins now waits; none: for ever.
    pub fn send_deadline(&self) -> Option<u64> {
        deadline(self.send_timeout())
    }

    /// `SO_RCVLOWAT`: a read from a stream waits for so many bytes.
    pub fn receive_low(&self) -> u32 {
        self.receive_low.load(Ordering::Relaxed)
    }

    /// Sets [`receive_low`](Self::receive_low); 0 means 1.
    pub fn set_receive_low(&self, bytes: u32) {
        self.receive_low.store(bytes.max(1), Ordering::Relaxed);
    }

    /// `SO_RCVBUF`. Where what is on the way counts for its sender, it is only shown.
    pub fn receive_buffer(&self) -> usize {
        self.receive_buffer.load(Ordering::Relaxed)
    }

    /// Sets [`receive_buffer`](Self::receive_buffer).
    pub fn set_receive_buffer(&self, bytes: usize) {
        self.receive_buffer.store(bytes, Ordering::Relaxed);
    }
}

fn deadline(timeout: u64) -> Option<u64> {
    (timeout != 0).then(|| time::monotonic().saturating_add(timeout))
}
