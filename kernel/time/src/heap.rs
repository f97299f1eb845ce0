//! The ordered queue: a leftist tree through the timers themselves.
//!
//! Every node's deadline is not later than its children's, and the way to the next free place is never longer on the right
//! than on the left. So the way down the right side is logarithmic, and everything is done by merging two
//! trees along it: joining the queue, and closing the gap that a node leaves behind.

use alloc::sync::Arc;

use sync::{Key, KeyCell};

use crate::core::Core;

/// A timer in such a queue.
pub(crate) type Node = Core<Links>;

/// A timer's place in the tree.
pub(crate) struct Links(KeyCell<Branch>);

#[derive(Default)]
struct Branch {
    deadline: u64,
    /// How many steps it is to the next free place below, this one counted.
    rank: u32,
    left: Option<Arc<Node>>,
    right: Option<Arc<Node>>,
    /// None for the root.
    parent: Option<Arc<Node>>,
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
        let branch = self.branch_mut(&node);
        (branch.deadline, branch.rank) = (deadline, 1);
        match self.root.take() {
            None => self.root = Some(node),
            Some(root) => self.root = Some(self.insert_at(root, node)),
        }
        Ok(())
    }

    /// Adds a single node to a tree, and returns its root: [`merge`](Self::merge), with the short ways first, which are those of a CPU
    /// with few timers.
    fn insert_at(&mut self, root: Arc<Node>, node: Arc<Node>) -> Arc<Node> {
        let deadline = self.branch(&node).deadline;
        let top = self.branch_mut(&root);
        if deadline < top.deadline {
            top.parent = Some(node.clone());
            self.branch_mut(&node).left = Some(root);
            return node;
        }
        let free = match (&top.left, &top.right) {
            (None, _) => &mut top.left,
            (_, None) => {
                top.rank = 2;
                &mut top.right
            }
            _ => return self.merge(Some(root.clone()), Some(node)).unwrap_or(root),
        };
        *free = Some(node.clone());
        self.branch_mut(&node).parent = Some(root.clone());
        root
    }

    /// Takes a timer out; None if it is not in this queue.
    pub(crate) fn remove(&mut self, node: &Node) -> Option<Arc<Node>> {
        if !self.key.holds(&node.links.0) {
            return None;
        }
        let branch = node.links.0.get_mut(&mut self.key);
        let (left, right, parent) = (branch.left.take(), branch.right.take(), branch.parent.take());
        for child in left.iter().chain(&right) {
            self.branch_mut(child).parent = None;
        }
        let below = self.merge(left, right);
        let removed = match &parent {
            None => core::mem::replace(&mut self.root, below),
            Some(parent) => {
                if let Some(below) = &below {
                    self.branch_mut(below).parent = Some(parent.clone());
                }
                let above = self.branch_mut(parent);
                let is_left =
                    above.left.as_ref().is_some_and(|left| core::ptr::eq(&**left, node));
                let side = if is_left { &mut above.left } else { &mut above.right };
                core::mem::replace(side, below)
            }
        };
        if let Some(parent) = parent {
            self.settle(parent, true);
        }
        self.key.release(&node.links.0);
        removed
    }

    /// Takes the first timer out, with its deadline.
    pub(crate) fn pop(&mut self) -> Option<(Arc<Node>, u64)> {
        let root = self.root.clone()?;
        let deadline = self.branch(&root).deadline;
        self.remove(&root);
        Some((root, deadline))
    }

    fn branch<'a>(&'a self, node: &'a Node) -> &'a Branch {
        node.links.0.get(&self.key)
    }

    fn branch_mut<'a>(&'a mut self, node: &'a Node) -> &'a mut Branch {
        // Only this heap's nodes are asked for.
        node.links.0.get_mut(&mut self.key)
    }

    fn rank(&self, node: Option<&Arc<Node>>) -> u32 {
        node.map_or(0, |node| self.branch(node).rank)
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
    fn merge(&mut self, there: Option<Arc<Node>>, new: Option<Arc<Node>>) -> Option<Arc<Node>> {
        let (there, new) = match (there, new) {
            (Some(there), Some(new)) => (there, new),
            (one, other) => return one.or(other),
        };
        let (mut at, mut rest) = self.order(there, new);
        let top = at.clone();
        // Down the right side, where the earlier of what is there and what is left over takes each place.
        while let Some(right) = self.branch_mut(&at).right.take() {
            let (next, left_over) = self.order(right, rest);
            self.branch_mut(&left_over).parent = None;
            self.branch_mut(&next).parent = Some(at.clone());
            self.branch_mut(&at).right = Some(next.clone());
            (at, rest) = (next, left_over);
        }
        self.branch_mut(&rest).parent = Some(at.clone());
        self.branch_mut(&at).right = Some(rest);
        self.settle(at, false);
        Some(top)
    }

    /// Puts ranks and sides right from a node upwards; if only one rank has changed, no further than that matters.
    fn settle(&mut self, from: Arc<Node>, one_change: bool) {
        let mut at = Some(from);
        while let Some(node) = at {
            let branch = self.branch(&node);
            let (left, right) = (self.rank(branch.left.as_ref()), self.rank(branch.right.as_ref()));
            let rank = left.min(right) + 1;
            let branch = self.branch_mut(&node);
            let same = branch.rank == rank;
            branch.rank = rank;
            if left < right {
                core::mem::swap(&mut branch.left, &mut branch.right);
            }
            if one_change && same {
                return;
            }
            at = branch.parent.clone();
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
        for child in branch.left.iter().chain(&branch.right) {
            let below = heap.branch(child);
            assert!(below.deadline >= branch.deadline, "out of order");
            assert!(below.parent.as_ref().is_some_and(|parent| Arc::ptr_eq(parent, node)));
            count += check(heap, child);
        }
        let (left, right) = (heap.rank(branch.left.as_ref()), heap.rank(branch.right.as_ref()));
        assert!(left >= right && branch.rank == right + 1, "not leftist");
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
