//! What an epoll watches, and the list of what may be ready.

use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use sched::{Notify, WaitQueue};
use sync::{LockClass, SpinLock};

use super::{Event, EventFlags};
use crate::file::File;
use crate::poll::{PollEvents, PollTable};

/// Taken inside wait queues' locks, with interrupts off; takes nothing.
static LIST_LOCK: LockClass = LockClass::new("epoll.ready");
/// A leaf lock.
static EVENT_LOCK: LockClass = LockClass::new("epoll.item");

/// The items that may be ready, and who waits for them.
pub(super) struct Ready {
    list: SpinLock<VecDeque<Arc<Item>>>,
    pub(super) queue: Arc<WaitQueue>,
}

impl Ready {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            list: SpinLock::new(&LIST_LOCK, VecDeque::new()),
            queue: Arc::new(WaitQueue::new()),
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.lock_irq().is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.list.lock_irq().len()
    }

    /// Takes the first item off the list. A notification from now on puts it back.
    pub(super) fn pop(&self) -> Option<Arc<Item>> {
        let item = self.list.lock_irq().pop_front()?;
        item.listed.store(false, Ordering::SeqCst);
        Some(item)
    }

    /// The items as they are now.
    pub(super) fn snapshot(&self) -> Vec<Arc<Item>> {
        self.list.lock_irq().iter().cloned().collect()
    }

    pub(super) fn clear(&self) {
        let items = core::mem::take(&mut *self.list.lock_irq());
        drop(items);
    }
}

/// A file that is watched, and for what. Plain data: the last reference may go in the middle of a
/// wake-up.
pub(super) struct Item {
    pub(super) file: Weak<File>,
    event: SpinLock<Event>,
    /// Is on the list.
    listed: AtomicBool,
    ready: Arc<Ready>,
}

impl Item {
    pub(super) fn new(file: &Arc<File>, event: Event, ready: &Arc<Ready>) -> Arc<Self> {
        Arc::new(Self {
            file: Arc::downgrade(file),
            event: SpinLock::new(&EVENT_LOCK, event),
            listed: AtomicBool::new(false),
            ready: ready.clone(),
        })
    }

    pub(super) fn set_event(&self, event: Event) {
        *self.event.lock() = event;
    }

    /// Nothing is reported any more: the item was removed, or was to be reported once.
    pub(super) fn disable(&self) {
        self.event.lock().flags = EventFlags::empty();
    }

    /// What is there to report now, without changing anything.
    pub(super) fn look(&self) -> PollEvents {
        let wanted = self.event.lock().flags;
        self.found(wanted)
    }

    fn found(&self, wanted: EventFlags) -> PollEvents {
        let wanted = wanted.events();
        if wanted.is_empty() {
            return PollEvents::empty();
        }
        let Some(file) = self.file.upgrade() else { return PollEvents::empty() };
        file.poll(&mut PollTable::none()) & (wanted | PollEvents::ERR | PollEvents::HUP)
    }

    /// What is there to report, as the report has it; a level-triggered item stays on the list.
    pub(super) fn report(self: &Arc<Self>) -> Option<Event> {
        let asked = self.event.lock().flags;
        let found = self.found(asked);
        if found.is_empty() {
            return None;
        }
        let mut event = self.event.lock();
        if event.flags.events().is_empty() {
            // Removed, or reported by somebody else, since it was asked.
            return None;
        }
        let report = Event { flags: EventFlags::from_events(found), data: event.data };
        if event.flags.contains(EventFlags::ONESHOT) {
            event.flags = EventFlags::empty();
        } else if !event.flags.contains(EventFlags::EDGE) {
            drop(event);
            self.list();
        }
        Some(report)
    }

    /// Puts the item on the list; says whether it was not there yet.
    pub(super) fn list(self: &Arc<Self>) -> bool {
        let mut list = self.ready.list.lock_irq();
        if self.listed.swap(true, Ordering::SeqCst) {
            return false;
        }
        list.push_back(self.clone());
        true
    }
}

/// What hears of the wake-ups of a file's queues.
pub(super) struct Ear(pub(super) Arc<Item>);

impl Notify for Ear {
    fn notify(&self) {
        if self.0.list() {
            self.0.ready.queue.wake_all_nested();
        }
    }
}
