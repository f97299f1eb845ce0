//! References that are shown, and that go from list to list.

use models::{Linked, Links, List, Shown, TakeCell};
use weak::cell::Tracked;
use weak::sync::Arc;
use weak::{cpu, model, model_with_switches, thread};

#[test]
fn what_is_shown_can_be_copied_until_its_end() {
    model(|| {
        let shown = Arc::new(Shown::<Tracked>::new());
        assert!(!shown.shows_any());
        let place = shown.clone();
        let other = thread::spawn(move || {
            if let Some(copy) = place.copy() {
                assert_eq!(copy.get(), 7, "a copy is of what is whole");
            }
        });
        let showing = shown.show(Arc::new(Tracked::new(7)));
        let element = showing.end();
        // From here on it is the user's alone, but for references of their own.
        Arc::assert_no_copies(&element);
        drop(element);
        other.join().unwrap();
        assert!(!shown.shows_any());
    });
}

#[test]
fn two_copy_at_once() {
    model_with_switches(2, || {
        let shown = Arc::new(Shown::<Tracked>::new());
        assert!(!shown.shows_any());
        let showing = shown.show(Arc::new(Tracked::new(7)));
        let copiers: Vec<_> = (0..2)
            .map(|_| {
                let place = shown.clone();
                thread::spawn(move || {
                    assert!(place.copy().is_none_or(|copy| copy.get() == 7));
                })
            })
            .collect();
        Arc::assert_no_copies(&showing.end());
        copiers.into_iter().for_each(|copier| copier.join().unwrap());
    });
}

#[test]
fn the_next_is_shown() {
    model(|| {
        let shown = Arc::new(Shown::<Tracked>::new());
        assert!(!shown.shows_any());
        let place = shown.clone();
        let copier = thread::spawn(move || {
            let copy = place.copy();
            copy.map(|copy| copy.get())
        });
        for number in [1, 2] {
            let showing = shown.show(Arc::new(Tracked::new(number)));
            assert!(shown.shows(&showing));
            Arc::assert_no_copies(&showing.end());
        }
        assert!(copier.join().unwrap().is_none_or(|seen| seen == 1 || seen == 2));
    });
}

/// An element of lists.
struct Node {
    links: Links<Node>,
    number: Tracked,
}

impl Linked for Node {
    fn links(&self) -> &Links<Self> {
        &self.links
    }
}

fn node(number: u32) -> Arc<Node> {
    let node = Arc::new(Node { links: Links::new(), number: Tracked::new(number) });
    assert!(!node.links.is_linked());
    node
}

/// A list that has its identity: the number from which that comes is everybody's.
fn list() -> List<Node> {
    let mut list = List::new();
    assert!(list.push_back(node(0)).is_ok() && list.pop_front().is_some());
    list
}

#[test]
fn links_go_from_list_to_list() {
    model(|| {
        let (mut one, mut other) = (list(), list());
        let (first, second) = (node(1), node(2));
        assert!(one.push_back(first.clone()).is_ok() && one.push_back(second).is_ok());
        let moved = first.clone();
        let taker = thread::spawn(move || {
            let mut moved = moved;
            while let Err(refused) = other.push_front(moved) {
                moved = refused;
                cpu::relax();
            }
            assert!(other.pop_front().is_some_and(|node| node.number.get() == 1));
            other
        });
        assert!(one.remove(&first).is_some_and(|node| node.number.get() == 1));
        assert!(one.front().is_some_and(|node| node.number.get() == 2));
        drop(first);
        assert!(taker.join().unwrap().is_empty());
    });
}

#[test]
fn one_of_two_lists_gets_it() {
    model(|| {
        let (mut one, mut other) = (list(), list());
        let node = node(1);
        let wanted = node.clone();
        let thread = thread::spawn(move || {
            let got = other.push_back(wanted.clone()).is_ok();
            assert_eq!(other.contains(&wanted), got);
            // Given back at once, so that the other may have it, too.
            got && other.remove(&wanted).is_some()
        });
        let got = one.push_back(node.clone()).is_ok();
        assert_eq!(one.contains(&node), got);
        assert_eq!(one.pop_front().is_some(), got);
        assert!(thread.join().unwrap() || got, "both were refused");
        assert!(!node.links.is_linked());
    });
}

#[test]
fn who_finds_it_unlinked_sees_what_was_done_before() {
    model(|| {
        let (mut one, node) = (list(), node(1));
        assert!(one.push_back(node.clone()).is_ok());
        let taken = node.clone();
        let taker = thread::spawn(move || {
            taken.number.set(2);
            one.pop_front().is_some()
        });
        while node.links.is_linked() {
            cpu::relax();
        }
        assert_eq!(node.number.get(), 2);
        assert!(taker.join().unwrap());
    });
}

#[test]
fn of_two_takers_one_gets_it_whole() {
    model(|| {
        let cell = Arc::new(TakeCell::<Tracked>::new());
        assert!(cell.is_empty());
        cell.put(Arc::new(Tracked::new(1)));
        let place = cell.clone();
        let taker = thread::spawn(move || place.take().map_or(0, |element| element.get()));
        let taken = cell.take().map_or(0, |element| element.get());
        assert_eq!(taken + taker.join().unwrap(), 1);
        assert!(cell.is_empty());
    });
}

#[test]
fn who_finds_nothing_sees_what_the_taker_had_done() {
    for by_taking in [false, true] {
        model(move || {
            let cell = Arc::new(TakeCell::<Tracked>::new());
            assert!(cell.is_empty());
            cell.put(Arc::new(Tracked::new(1)));
            let done = Arc::new(Tracked::new(0));
            let (place, counts) = (cell.clone(), done.clone());
            let worker = thread::spawn(move || {
                counts.set(1);
                drop(place.take());
            });
            let found = if by_taking { cell.take() } else { None };
            if found.is_none() && (by_taking || cell.is_empty()) {
                assert_eq!(done.get(), 1);
            }
            drop(found);
            worker.join().unwrap();
        });
    }
}
