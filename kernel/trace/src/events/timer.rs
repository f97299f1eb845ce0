//! The events of timers of both kinds.

use core::fmt;

use super::{Pointer, Symbol};
use crate::event::{AnyEvent, COMMON_SIZE, Event, PAYLOAD_MAX, Record, records};
use crate::field::Field;

/// Of a timer's flags, those that say which CPU it is on.
const CPU_MASK: u32 = 0x3_ffff;

records! {
    /// A time-out that waits for its time.
    TimerStart {
        /// Which.
        timer: Pointer,
        /// What it will call.
        function: Symbol,
        /// Its time, in jiffies.
        expires: u64,
        /// The time now.
        now: u64,
        /// The CPU on which it is queued.
        flags: u32,
    }
    format "\"timer=%p function=%s expires=%lu [timeout=%ld] cpu=%u idx=%u flags=%s\", REC->timer, REC->function, REC->expires, (long)REC->expires - REC->now, REC->flags & 0x0003FFFF, REC->flags >> 22, \"\""
    print |e, out| write!(
        out, "timer={} function={} expires={} [timeout={}] cpu={} idx={} flags=",
        e.timer, e.function, e.expires, e.expires.wrapping_sub(e.now).cast_signed(),
        e.flags & CPU_MASK, e.flags >> 22
    );
    events {
        /// A time-out was started.
        timer "timer_start" 403 TIMER_START;
    }

    /// A time-out whose time has come.
    TimerExpireEntry {
        /// Which.
        timer: Pointer,
        /// The time now, in jiffies.
        now: u64,
        /// What is called.
        function: Symbol,
        /// The jiffy whose time-outs are fired.
        baseclk: u64,
    }
    format "\"timer=%p function=%s now=%lu baseclk=%lu\", REC->timer, REC->function, REC->now, REC->baseclk"
    print |e, out| write!(
        out, "timer={} function={} now={} baseclk={}", e.timer, e.function, e.now, e.baseclk
    );
    events {
        /// A time-out's function is about to be called.
        timer "timer_expire_entry" 402 TIMER_EXPIRE_ENTRY;
    }

    /// A time-out.
    TimerClass {
        /// Which.
        timer: Pointer,
    }
    format "\"timer=%p\", REC->timer"
    print |e, out| write!(out, "timer={}", e.timer);
    events {
        /// A time-out's function has returned.
        timer "timer_expire_exit" 401 TIMER_EXPIRE_EXIT;
        /// A time-out has left its queue: because it was taken back, is started anew, or is about to be fired.
        timer "timer_cancel" 400 TIMER_CANCEL;
    }

    /// A high-resolution timer that waits for its time.
    HrtimerStart {
        /// Which.
        hrtimer: Pointer,
        /// What it will call.
        function: Symbol,
        /// Its time, in nanoseconds.
        expires: i64,
        /// The earliest time at which it may fire: the same.
        softexpires: i64,
        /// How the time was given: always as a time of the clock.
        mode: u32,
    }
    format "\"hrtimer=%p function=%s expires=%llu softexpires=%llu mode=%s\", REC->hrtimer, REC->function, (unsigned long long) REC->expires, (unsigned long long) REC->softexpires, __print_symbolic(REC->mode, { 0x00, \"ABS\" }, { 0x01, \"REL\" }, { 0x02, \"ABS|PINNED\" }, { 0x03, \"REL|PINNED\" })"
    print |e, out| write!(
        out, "hrtimer={} function={} expires={} softexpires={} mode={}",
        e.hrtimer, e.function, e.expires, e.softexpires, MODES[(e.mode & 3) as usize]
    );
    events {
        /// A high-resolution timer was started.
        timer "hrtimer_start" 398 HRTIMER_START;
    }

    /// A high-resolution timer whose time has come.
    HrtimerExpireEntry {
        /// Which.
        hrtimer: Pointer,
        /// The time now, in nanoseconds.
        now: i64,
        /// What is called.
        function: Symbol,
    }
    format "\"hrtimer=%p function=%s now=%llu\", REC->hrtimer, REC->function, (unsigned long long) REC->now"
    print |e, out| write!(out, "hrtimer={} function={} now={}", e.hrtimer, e.function, e.now);
    events {
        /// A high-resolution timer's function is about to be called.
        timer "hrtimer_expire_entry" 397 HRTIMER_EXPIRE_ENTRY;
    }

    /// A high-resolution timer.
    HrtimerClass {
        /// Which.
        hrtimer: Pointer,
    }
    format "\"hrtimer=%p\", REC->hrtimer"
    print |e, out| write!(out, "hrtimer={}", e.hrtimer);
    events {
        /// A high-resolution timer's function has returned.
        timer "hrtimer_expire_exit" 396 HRTIMER_EXPIRE_EXIT;
        /// A high-resolution timer has left its queue, as for [`TIMER_CANCEL`].
        timer "hrtimer_cancel" 395 HRTIMER_CANCEL;
    }
}

/// The ways to give a timer's time.
const MODES: [&str; 4] = ["ABS", "REL", "ABS|PINNED", "REL|PINNED"];
