//! Signals that have been sent and not yet taken.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;

use super::info::{Details, SigInfo};
use super::number::{SigSet, Signal};
use crate::user::User;

/// A signal that waits, and whose count it is in.
struct Queued {
    info: SigInfo,
    /// Whose RLIMIT_SIGPENDING it counts against.
    user: Arc<User>,
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.user.signal_taken();
    }
}

/// Signals with what they carry, in the order of their coming.
#[derive(Default)]
struct Queue(VecDeque<Queued>);

/// The signals that wait for a thread, or for any thread of a process. An ordinary signal waits
/// once, however often it was sent; each sending of a real-time one waits.
#[derive(Default)]
pub(crate) struct Pending {
    set: SigSet,
    /// There since the first one came: most tasks never get any.
    queue: Option<Box<Queue>>,
}

impl Pending {
    pub(crate) const fn new() -> Self {
        Self { set: SigSet::EMPTY, queue: None }
    }

    /// Which signals wait.
    pub(crate) fn set(&self) -> SigSet {
        self.set
    }

    /// Whether one more sending of this ordinary signal would change nothing.
    pub(crate) fn has(&self, signal: Signal) -> bool {
        self.set.contains(signal)
    }

    /// Notes a signal and what it carries, which `user` has counted. False: there was no memory for
    /// what it carries; the signal itself is not lost.
    pub(crate) fn push(&mut self, info: SigInfo, user: Arc<User>) -> bool {
        self.set = self.set.with(info.signal);
        let queued = Queued { info, user };
        let queue = &mut self.queue.get_or_insert_default().0;
        if queue.try_reserve(1).is_err() {
            return false;
        }
        queue.push_back(queued);
        true
    }

    /// A timer's signal that waits already stands for one more expiration. Returns whether there is one.
    pub(crate) fn merge_timer(&mut self, info: &SigInfo) -> bool {
        let Details::Timer { id, overrun: more, .. } = info.details else { return false };
        let same = |queued: &mut Queued| match &mut queued.info.details {
            Details::Timer { id: other, overrun, .. } if *other == id => {
                *overrun = overrun.saturating_add(more).saturating_add(1);
                true
            }
            _ => false,
        };
        self.queue.iter_mut().flat_map(|queue| queue.0.iter_mut()).any(same)
    }

    /// Notes a signal without what it carries.
    pub(crate) fn push_bare(&mut self, signal: Signal) {
        self.set = self.set.with(signal);
    }

    /// Takes the next signal of `wanted`.
    #[inline]
    pub(crate) fn take(&mut self, wanted: SigSet) -> Option<SigInfo> {
        let signal = self.set.and(wanted).next_to_take()?;
        let of_signal = |queued: &Queued| queued.info.signal == signal;
        let (mut taken, mut more) = (None, false);
        if let Some(queue) = self.queue.as_mut().map(|queue| &mut queue.0) {
            taken = if queue.front().is_some_and(of_signal) {
                // As it mostly is, and cheap.
                queue.pop_front()
            } else {
                queue.iter().position(of_signal).and_then(|place| queue.remove(place))
            };
            // An ordinary one waits once.
            more = signal.is_real_time() && queue.iter().any(of_signal);
        }
        if !more {
            self.set = self.set.minus(SigSet::of(signal));
        }
        Some(taken.map_or(SigInfo::lost(signal), |queued| queued.info))
    }

    /// What waits with what it carries, in the order of arrival.
    pub(crate) fn queued(&self) -> impl Iterator<Item = SigInfo> {
        self.queue.iter().flat_map(|queue| queue.0.iter()).map(|queued| queued.info)
    }

    /// Throws signals away.
    pub(crate) fn discard(&mut self, signals: SigSet) {
        if self.set.and(signals).is_empty() {
            return;
        }
        self.set = self.set.minus(signals);
        if let Some(queue) = self.queue.as_mut().map(|queue| &mut queue.0) {
            queue.retain(|queued| !signals.contains(queued.info.signal));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::info::{SI_QUEUE, SI_TIMER};

    fn valued(signal: Signal, value: u64) -> SigInfo {
        let details = Details::Value { pid: 1, uid: 0, value };
        SigInfo { signal, errno: 0, code: SI_QUEUE, details }
    }

    #[test]
    fn real_time_signals_come_in_order_and_after_lower_ones() {
        let real_time = Signal::from_number(40).unwrap();
        let user = User::for_test();
        let mut pending = Pending::new();
        pending.push(valued(real_time, 1), user.clone());
        pending.push(valued(real_time, 2), user.clone());
        pending.push(valued(Signal::SIGUSR1, 3), user.clone());
        assert_eq!(pending.take(SigSet::ALL), Some(valued(Signal::SIGUSR1, 3)));
        assert_eq!(pending.take(SigSet::ALL), Some(valued(real_time, 1)));
        assert!(pending.has(real_time));
        assert_eq!(pending.take(SigSet::ALL), Some(valued(real_time, 2)));
        assert!(!pending.has(real_time));
        assert_eq!(pending.take(SigSet::ALL), None);
    }

    #[test]
    fn w03_one_signal_stands_for_all_expirations_of_a_timer() {
        let of_timer = |id, overrun| {
            let details = Details::Timer { id, overrun, value: 0 };
            SigInfo { signal: Signal::from_number(40).unwrap(), errno: 0, code: SI_TIMER, details }
        };
        let user = User::for_test();
        let mut pending = Pending::new();
        assert!(!pending.merge_timer(&of_timer(1, 0)));
        pending.push(of_timer(1, 0), user.clone());
        assert!(!pending.merge_timer(&of_timer(2, 0)));
        pending.push(of_timer(2, 0), user);
        assert!(pending.merge_timer(&of_timer(1, 0)) && pending.merge_timer(&of_timer(1, 3)));
        assert_eq!(pending.take(SigSet::ALL), Some(of_timer(1, 5)));
        assert_eq!(pending.take(SigSet::ALL), Some(of_timer(2, 0)));
    }

    #[test]
    fn a_signal_without_room_for_its_info_is_not_lost() {
        let mut pending = Pending::new();
        pending.push_bare(Signal::SIGTERM);
        assert_eq!(pending.take(SigSet::of(Signal::SIGINT)), None);
        assert_eq!(pending.take(SigSet::ALL), Some(SigInfo::lost(Signal::SIGTERM)));
        assert!(pending.set().is_empty());
    }

    #[test]
    fn queued_signals_count_against_their_user() {
        let user = User::for_test();
        let mut pending = Pending::new();
        for value in 0..3 {
            assert!(user.may_queue_signal(3));
            pending.push(valued(Signal::SIGUSR2, value), user.clone());
        }
        assert!(!user.may_queue_signal(3));
        pending.discard(SigSet::ALL);
        assert!(user.may_queue_signal(1));
    }
}
