//! A queue's part in one pool (Linux's `pool_workqueue`): how many of its items are active there, which are held back, and how many
//! of each colour are not done.

use alloc::sync::Arc;

use sync::List;

use crate::flush::{COLOURS, NO_COLOUR};
use crate::home::Home;
use crate::item::Node;
use crate::pool::is_listed;
use crate::queue::Queue;

/// A row in a pool's table; its number is the *slot*. All of it is protected by the pool's lock.
pub(crate) struct Pwq {
    /// None: the row is free, or the queue is being made.
    queue: Option<Arc<Queue>>,
    /// The queue's number; 0: the row is free.
    pub(crate) queue_id: u64,
    /// Which of the queue's pools this is.
    pub(crate) index: usize,
    pub(crate) cpu_intensive: bool,
    pub(crate) max_active: u32,
    pub(crate) active: u32,
    inactive: List<Node>,
    /// Where what is queued now is at home: here, under the colour of now.
    home: Home,
    in_flight: [u32; COLOURS],
    /// Of a retired row: the colours that flushes wait for, one bit each.
    flushed: u16,
    /// What the queue's rescuer runs for this pool, and where that was at home.
    pub(crate) rescued: Option<(Arc<Node>, Home)>,
}

impl Pwq {
    pub(crate) const fn vacant() -> Self {
        Self {
            queue: None,
            queue_id: 0,
            index: 0,
            cpu_intensive: false,
            max_active: 0,
            active: 0,
            inactive: List::new(),
            home: Home::queued(0, 0),
            in_flight: [0; COLOURS],
            flushed: 0,
            rescued: None,
        }
    }

    /// Keeps the row for a queue that is being made.
    pub(crate) fn reserve(&mut self, queue_id: u64, index: usize, home: Home) {
        *self = Self { queue_id, index, home, ..Self::vacant() };
    }

    /// The queue is made, and its items may come, under this colour.
    pub(crate) fn occupy(&mut self, queue: &Arc<Queue>, colour: u8) {
        self.home = self.home.under(colour);
        self.cpu_intensive = queue.is_cpu_intensive();
        self.max_active = queue.max_active();
        self.queue = Some(queue.clone());
    }

    /// What is queued from now on goes elsewhere. What is here is done here, and the last that leaves is news.
    pub(crate) fn retire(&mut self) {
        let current = self.home.colour();
        for colour in (0..COLOURS as u8).filter(|&colour| colour != current) {
            if self.in_flight(colour) != 0 {
                self.flushed |= 1 << colour;
            }
        }
        self.home = self.home.under(NO_COLOUR);
    }

    fn is_retired(&self) -> bool {
        self.home.colour() == NO_COLOUR
    }

    /// Whether it takes items of this queue.
    pub(crate) fn takes_for(&self, queue_id: u64) -> bool {
        self.queue_id == queue_id && !self.is_retired()
    }

    pub(crate) fn is_vacant(&self) -> bool {
        self.queue_id == 0
    }

    /// The queue.
    ///
    /// # Panics
    /// If the row is free: an item names a row only while its queue has it.
    pub(crate) fn queue(&self) -> Arc<Queue> {
        self.queue.clone().expect("a row that an item names is its queue's")
    }

    /// The queue, to look at.
    pub(crate) fn queue_ref(&self) -> Option<&Arc<Queue>> {
        self.queue.as_ref()
    }

    /// Frees the row and returns what it held, to be dropped without the lock.
    pub(crate) fn vacate(&mut self) -> Self {
        core::mem::replace(self, Self::vacant())
    }

    /// How many of its items are not done.
    pub(crate) fn unfinished(&self) -> usize {
        self.in_flight.iter().map(|&count| count as usize).sum()
    }

    /// Whether it has nothing to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.active == 0 && self.inactive.is_empty()
    }

    /// How many items of a colour are not done.
    pub(crate) fn in_flight(&self, colour: u8) -> u32 {
        self.in_flight[usize::from(colour) % COLOURS]
    }

    /// Counts a new item. Returns where it is at home, and whether it is active at once.
    #[inline]
    pub(crate) fn enter(&mut self) -> (Home, bool) {
        let home = self.home;
        debug_assert!(!self.is_retired(), "an item comes to a retired row");
        self.in_flight[usize::from(home.colour()) % COLOURS] += 1;
        if self.active >= self.max_active {
            return (home, false);
        }
        self.active += 1;
        (home, true)
    }

    pub(crate) fn hold_back(&mut self, node: Arc<Node>) {
        self.inactive.push_back(node).unwrap_or_else(|node| is_listed(&node));
    }

    pub(crate) fn take_from_inactive(&mut self, node: &Node) -> Option<Arc<Node>> {
        self.inactive.remove(node)
    }

    pub(crate) fn inactive(&self) -> &List<Node> {
        &self.inactive
    }

    /// Moves items that are held back to the end of the pool's list: as many as may become active, but not more than `most`.
    /// Returns how many it has moved; they are active by this.
    #[inline]
    pub(crate) fn activate(&mut self, worklist: &mut List<Node>, most: u32) -> u32 {
        let room = self.max_active.saturating_sub(self.active).min(most);
        let moved = worklist.move_front_from(&mut self.inactive, room as usize) as u32;
        self.active += moved;
        moved
    }

    /// Counts items of a colour out, some of which were active. Returns whether they were the last of a colour that a flush waits for.
    #[inline]
    pub(crate) fn leave(&mut self, colour: u8, count: u32, active: u32) -> bool {
        self.active -= active;
        let left = &mut self.in_flight[usize::from(colour) % COLOURS];
        *left -= count;
        // The colour of what is queued now is not flushed here.
        *left == 0 && colour != self.home.colour() && self.is_last_of(colour)
    }

    #[cold]
    fn is_last_of(&mut self, colour: u8) -> bool {
        let Some(queue) = &self.queue else { return false };
        if !self.is_retired() {
            return queue.flush.one_pool_less(colour);
        }
        let flushed = self.flushed & 1 << colour != 0;
        self.flushed &= !(1 << colour);
        (flushed && queue.flush.one_pool_less(colour)) | (self.unfinished() == 0)
    }

    /// What is queued from now on has another colour. Returns whether items of the old one are not done.
    pub(crate) fn change_colour(&mut self, old: u8, new: u8) -> bool {
        let unfinished = self.in_flight(old) != 0;
        if !self.is_retired() {
            self.home = self.home.under(new);
        } else if unfinished {
            self.flushed |= 1 << old;
        }
        unfinished
    }
}

/// Telling those who wait for a queue.
pub(crate) struct News;

impl News {
    /// A flush of this queue may have ended, or a retired row be idle. No pool locked.
    pub(crate) fn announce(queue: &Queue) {
        queue.flush.announce();
        queue.look_at_retired();
    }
}
