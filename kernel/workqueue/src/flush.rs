//! Flushing a queue: waiting for exactly what was queued before.
//!
//! Every item is counted, in its queue's row of its pool, under the colour that the row had when the item came. A flush changes the
//! colour of all rows and waits until no item of the old one is left, nor of those that earlier flushes still
//! wait for. What is queued afterwards has the new colour and is not waited for.
//!
//! ```text
//!   colour:   ... 3 3 3 | 4 4 4 4 | 5 5      (queued, in order)
//!                       ^         ^
//!                  flush A    flush B        A waits for 3; B for 4, and for 3 if A does
//! ```
//!
//! A colour is used again when nobody waits for it: with 16 of them, 15 flushes may be under way at once; a sixteenth waits for its turn.

use core::sync::atomic::{AtomicU32, Ordering::SeqCst};

use sched::{Mutex, WaitQueue};
use sync::LockClass;

use crate::queue::Queue;

/// How many colours there are.
pub(crate) const COLOURS: usize = 16;

/// What a row has in place of a colour that takes no items any more.
pub(crate) const NO_COLOUR: u8 = 0xff;

/// Outside pool locks.
static COLOURS_LOCK: LockClass = LockClass::new("wq_colours");

struct Users {
    current: u8,
    /// How many flushes wait for each colour.
    of: [u32; COLOURS],
}

/// What a queue needs for flushing.
pub(crate) struct Flush {
    users: Mutex<Users>,
    /// For each colour that is being flushed: how many pools have items of it.
    pools: [AtomicU32; COLOURS],
    waiters: WaitQueue,
}

/// A set of colours, one bit each.
type Set = u16;

impl Flush {
    pub(crate) const fn new() -> Self {
        Self {
            users: Mutex::new(&COLOURS_LOCK, Users { current: 0, of: [0; COLOURS] }),
            pools: [const { AtomicU32::new(0) }; COLOURS],
            waiters: WaitQueue::new(),
        }
    }

    /// Calls a function with the colour of now, which stays meanwhile. May sleep, and so may the function.
    pub(crate) fn with_colour<R>(&self, function: impl FnOnce(u8) -> R) -> R {
        let users = self.users.lock();
        function(users.current)
    }

    /// A pool has no items of a flushed colour any more. Returns whether it was the last. Under the pool's lock.
    pub(crate) fn one_pool_less(&self, colour: u8) -> bool {
        self.pools[usize::from(colour) % COLOURS].fetch_sub(1, SeqCst) == 1
    }

    pub(crate) fn announce(&self) {
        self.waiters.wake_all();
    }

    fn is_done(&self, colour: usize) -> bool {
        self.pools[colour].load(SeqCst) == 0
    }
}

/// Waits until everything that is on the queue now has been done or taken back; one of the queue's own items does not. May sleep.
pub(crate) fn flush(queue: &Queue) {
    sync::might_sleep();
    if queue.is_waited_for_by_itself() {
        return;
    }
    let mut left = begin(queue);
    let waited_for = left;
    // A colour that has been seen done stays so until nobody waits for it; then it may be used again, so it is not looked at twice.
    queue.flush.waiters.wait(|| {
        for colour in (0..COLOURS).filter(|&colour| waited_for & 1 << colour != 0) {
            if left & 1 << colour != 0 && queue.flush.is_done(colour) {
                left &= !(1 << colour);
            }
        }
        left == 0
    });
    let mut users = queue.flush.users.lock();
    for colour in (0..COLOURS).filter(|&colour| waited_for & 1 << colour != 0) {
        users.of[colour] -= 1;
    }
    drop(users);
    // For those who wait for a colour.
    queue.flush.announce();
}

/// Changes the colour of all rows, and returns the colours to wait for.
fn begin(queue: &Queue) -> Set {
    loop {
        let mut users = queue.flush.users.lock();
        let old = users.current;
        let next = (old + 1) % COLOURS as u8;
        if users.of[usize::from(next)] != 0 {
            drop(users);
            queue.flush.waiters.wait(|| {
                queue.flush.users.try_lock().is_some_and(|users| users.of[usize::from(next)] == 0)
            });
            continue;
        }
        let mut set: Set = 1 << old;
        for (colour, _) in users.of.iter().enumerate().filter(|&(_, &users)| users != 0) {
            set |= 1 << colour;
        }
        for colour in (0..COLOURS).filter(|&colour| set & 1 << colour != 0) {
            users.of[colour] += 1;
        }
        users.current = next;
        // While the pools are counted some may be done already, so that the count comes to 0 more than once; nobody looks at it before
        // the end, as nobody else waits for this colour. The mutex keeps another flush from changing colours in between, which
        // would set some rows back.
        let pools = &queue.flush.pools[usize::from(old)];
        queue.for_each_part(|part| {
            let mut state = part.pool.lock();
            if state.pwq(part.slot()).change_colour(old, next) {
                pools.fetch_add(1, SeqCst);
            }
        });
        drop(users);
        return set;
    }
}
