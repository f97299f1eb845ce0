//! The ordered queue: a leftist tree through the timers themselves.
//!
//! Every node's deadline is not later than its children's, and the way to the next free place is never longer on the right
//! than on the left. So the way down the right side is logarithmic, and everything is done by merging two
//! trees along it: joining the queue, and closing the gap that a node leaves behind.

use alloc::sync::Arc;
use core::mem;

use sync::{Key, KeyCell};

use crate::core::Core;

/// A timer in such a queue.
pub(crate) type Node = Core<Links>;

/// A timer's place in the tree.
pub(crate) struct Links(KeyCell<Branch>);

#[derive(Default)]
struct Branch {
    deadline: u64,
    left: Side,
    /// Never of a higher rank than the left one.
    right: Side,
    /// None for the root.
    parent: Option<Arc<Node>>,
}

/// What is below a node on one side.
#[derive(Default)]
struct Side {
    child: Option<Arc<Node>>,
    /// The child's rank, 0 if there is none.
    rank: u32,
}

impl Branch {
    /// How many steps it is from the node to the next free place below, itself counted.
    fn rank(&self) -> u32 {
        self.right.rank + 1
    }

    /// The side with the higher rank is the left one.
    fn lean(&mut self) {
        if self.left.rank < self.right.rank {
            mem::swap(&mut self.left, &mut self.right);
        }
    }
}

impl Default for Links {
    fn default() -> Self {
        Self(KeyCell::new(Branch::default()))
    }
}

/// A queue of timers, ordered by deadline.
pub(crate) struct Heap {
    key: Key,
    root: Option<Arc<Node>>,
}

impl Heap {
    pub(crate) const fn new() -> Self {
        Self { key: Key::new(), root: None }
    }

    /// The earliest deadline.
    #[inline]
    pub(crate) fn first_deadline(&self) -> Option<u64> {
        self.root.as_ref().map(|root| self.branch(root).deadline)
    }

    /// Whose deadline that is.
    #[inline]
    pub(crate) fn first(&self) -> Option<&Arc<Node>> {
        self.root.as_ref()
    }

    /// Adds a timer, or gives it back if it is in a queue already.
    pub(crate) fn insert(&mut self, node: Arc<Node>, deadline: u64) -> Result<(), Arc<Node>> {
        if !self.key.claim(&node.links.0) {
            return Err(node);
        }
        // Whoever leaves a tree leaves no link behind, so there is none.
        self.branch_mut(&node).deadline = deadline;
        match &self.root {
            None => self.root = Some(node),
            Some(root) if deadline < self.branch(root).deadline => {
                let root = self.root.replace(node.clone());
                let rank = root.as_ref().map_or(0, |root| self.adopt(root, &node));
                self.branch_mut(&node).left = Side { child: root, rank };
            }
            Some(root) => {
                let mut above = root;
                while let Some(right) = &self.branch(above).right.child
                    && self.branch(right).deadline <= deadline
                {
                    above = right;
                }
                let above = above.clone();
                self.insert_below(above, node);
            }
        }
        Ok(())
    }

    /// Adds a single node below one that is not later, and whose right one, if there is one, is.
    fn insert_below(&mut self, above: Arc<Node>, node: Arc<Node>) {
        self.branch_mut(&node).parent = Some(above.clone());
        let place = self.branch_mut(&above);
        if place.left.child.is_none() {
            place.left = Side { child: Some(node), rank: 1 };
            return;
        }
        let displaced = mem::replace(&mut place.right, Side { child: Some(node.clone()), rank: 1 });
        let same_rank = displaced.rank == 1;
        if let Some(child) = &displaced.child {
            self.adopt(child, &node);
            self.branch_mut(&node).left = displaced;
        }
        if !same_rank {
            self.pass_up(above, 2);
        }
    }

    /// Makes a node a child, whose rank is returned.
    fn adopt(&mut self, child: &Node, parent: &Arc<Node>) -> u32 {
        let child = self.branch_mut(child);
        child.parent = Some(parent.clone());
        child.rank()
    }

    /// Takes a timer out; None if it is not in this queue.
    pub(crate) fn remove(&mut self, node: &Node) -> Option<Arc<Node>> {
        if !self.key.holds(&node.links.0) {
            return None;
        }
        let branch = node.links.0.get_mut(&mut self.key);
        let parent = branch.parent.take();
        let below = if branch.left.child.is_none() {
            // Nor is there a right one.
            Side::default()
        } else {
            let (left, right) = (mem::take(&mut branch.left), mem::take(&mut branch.right));
            for child in left.child.iter().chain(&right.child) {
                self.branch_mut(child).parent = None;
            }
            self.merge(left, right)
        };
        let removed = match parent {
            None => mem::replace(&mut self.root, below.child),
            Some(parent) => self.replace_child(parent, node, below),
        };
        self.key.release(&node.links.0);
        removed
    }

    /// Puts what is left `below` a node in that node's place.
    fn replace_child(&mut self, parent: Arc<Node>, node: &Node, below: Side) -> Option<Arc<Node>> {
        if let Some(child) = &below.child {
            self.branch_mut(child).parent = Some(parent.clone());
        }
        let above = self.branch_mut(&parent);
        let before = above.rank();
        let is_right =
            above.right.child.as_ref().is_some_and(|right| core::ptr::eq(&**right, node));
        let side = if is_right { &mut above.right } else { &mut above.left };
        side.rank = below.rank;
        let removed = mem::replace(&mut side.child, below.child);
        above.lean();
        let rank = above.rank();
        if rank != before {
            self.pass_up(parent, rank);
        }
        removed
    }

    /// A node's rank has changed: those above it learn of it, as far as it matters to them.
    fn pass_up(&mut self, mut node: Arc<Node>, mut rank: u32) {
        while let Some(parent) = self.branch(&node).parent.clone() {
            let above = self.branch_mut(&parent);
            let before = above.rank();
            let is_left = above.left.child.as_ref().is_some_and(|left| Arc::ptr_eq(left, &node));
            let side = if is_left { &mut above.left } else { &mut above.right };
            side.rank = rank;
            above.lean();
            rank = above.rank();
            if rank == before {
                return;
            }
            node = parent;
        }
    }

    /// Takes the first timer out, with its deadline.
    pub(crate) fn pop(&mut self) -> Option<(Arc<Node>, u64)> {
        let root = self.root.clone()?;
        let deadline = self.branch(&root).deadline;
        self.remove(&root);
        Some((root, deadline))
    }

    /// Calls with each timer and its deadline, in no order.
    pub(crate) fn for_each<'a>(&'a self, mut visit: impl FnMut(&'a Arc<Node>, u64)) {
        let Some(mut at) = self.root.as_ref() else { return };
        loop {
            let branch = self.branch(at);
            visit(at, branch.deadline);
            // Without a left one there is no right one.
            match &branch.left.child {
                Some(left) => at = left,
                None => match self.beside(at) {
                    Some(next) => at = next,
                    None => return,
                },
            }
        }
    }

    /// The right one of the nearest node above of which this is below the left one.
    fn beside<'a>(&'a self, mut node: &'a Arc<Node>) -> Option<&'a Arc<Node>> {
        loop {
            let parent = self.branch(node).parent.as_ref()?;
            let above = self.branch(parent);
            let is_left = above.left.child.as_ref().is_some_and(|left| Arc::ptr_eq(left, node));
            if let Some(right) = above.right.child.as_ref().filter(|_| is_left) {
                return Some(right);
            }
            node = parent;
        }
    }

    fn branch<'a>(&'a self, node: &'a Node) -> &'a Branch {
        node.links.0.get(&self.key)
    }

    fn branch_mut<'a>(&'a mut self, node: &'a Node) -> &'a mut Branch {
        // Only this heap's nodes are asked for.
        node.links.0.get_mut(&mut self.key)
    }

    /// The one that goes above the other: the earlier, and of two alike the one that was there first.
    fn order(&self, there: Arc<Node>, new: Arc<Node>) -> (Arc<Node>, Arc<Node>) {
        if self.branch(&new).deadline < self.branch(&there).deadline {
            (new, there)
        } else {
            (there, new)
        }
    }

    /// One tree from two, whose roots have no parents.
    fn merge(&mut self, one: Side, other: Side) -> Side {
        let (one, other) = match (one, other) {
            (Side { child: Some(one), .. }, Side { child: Some(other), .. }) => (one, other),
            (one, Side { child: None, .. }) => return one,
            (_, other) => return other,
        };
        let (mut at, mut rest) = self.order(one, other);
        // Down the right side, where the earlier of what is there and what is left over takes each place.
        while let Some(right) = self.branch_mut(&at).right.child.take() {
            let (next, left_over) = self.order(right, rest);
            self.branch_mut(&left_over).parent = None;
            self.branch_mut(&next).parent = Some(at.clone());
            self.branch_mut(&at).right.child = Some(next.clone());
            (at, rest) = (next, left_over);
        }
        let rank = self.adopt(&rest, &at);
        self.branch_mut(&at).right = Side { child: Some(rest), rank };
        // And up again, putting sides and ranks right.
        loop {
            let branch = self.branch_mut(&at);
            branch.lean();
            let rank = branch.rank();
            match branch.parent.clone() {
                None => return Side { child: Some(at), rank },
                Some(parent) => {
                    self.branch_mut(&parent).right.rank = rank;
                    at = parent;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn nodes(count: usize) -> Vec<Arc<Node>> {
        (0..count).map(|_| Arc::new(Core::new(|| ()))).collect()
    }

    /// Checks order, ranks and parents, and returns how many nodes there are below.
    fn check(heap: &Heap, node: &Arc<Node>) -> usize {
        let branch = heap.branch(node);
        let mut count = 1;
        for side in [&branch.left, &branch.right] {
            let Some(child) = &side.child else {
                assert_eq!(side.rank, 0);
                continue;
            };
            let below = heap.branch(child);
            assert_eq!(side.rank, below.rank());
            assert!(below.deadline >= branch.deadline, "out of order");
            assert!(below.parent.as_ref().is_some_and(|parent| Arc::ptr_eq(parent, node)));
            count += check(heap, child);
        }
        assert!(branch.left.rank >= branch.right.rank, "not leftist");
        count
    }

    #[test]
    fn any_order_of_joining_and_leaving() {
        let mut state = 7u64;
        let mut draw = |bound: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % bound
        };
        let all = nodes(40);
        let mut heap = Heap::new();
        let mut model: Vec<(u64, usize)> = Vec::new();
        for _ in 0..20_000 {
            let which = draw(40) as usize;
            if let Some(place) = model.iter().position(|&(_, node)| node == which) {
                assert!(heap.insert(all[which].clone(), 0).is_err());
                if draw(3) == 0 {
                    let (first, deadline) = heap.pop().expect("there is one");
                    let earliest = model.iter().map(|&(deadline, _)| deadline).min();
                    assert_eq!(Some(deadline), earliest);
                    model.retain(|&(_, node)| !Arc::ptr_eq(&all[node], &first));
                } else {
                    model.remove(place);
                    assert!(heap.remove(&all[which]).is_some());
                }
            } else {
                let deadline = draw(100);
                assert!(heap.insert(all[which].clone(), deadline).is_ok());
                model.push((deadline, which));
            }
            assert_eq!(heap.first().map_or(0, |root| check(&heap, root)), model.len());
        }
        while heap.pop().is_some() {}
        assert!(all.iter().all(|node| Arc::strong_count(node) == 1), "a link was left");
    }

    #[test]
    fn equal_deadlines_leave_in_the_order_of_arrival_when_few() {
        let all = nodes(2);
        let mut heap = Heap::new();
        assert!(heap.insert(all[0].clone(), 5).is_ok() && heap.insert(all[1].clone(), 5).is_ok());
        assert!(heap.pop().is_some_and(|(first, _)| Arc::ptr_eq(&first, &all[0])));
    }
}
