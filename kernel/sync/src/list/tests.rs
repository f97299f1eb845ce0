//! What lists promise.

use super::*;
use std::vec::Vec;

struct Item {
    number: u32,
    links: Links<Item>,
}

impl Linked for Item {
    fn links(&self) -> &Links<Self> {
        &self.links
    }
}

fn item(number: u32) -> Arc<Item> {
    Arc::new(Item { number, links: Links::new() })
}

fn numbers(list: &List<Item>) -> Vec<u32> {
    list.iter().map(|item| item.number).collect()
}

#[test]
fn elements_go_from_the_front_of_one_list_to_the_end_of_another() {
    let items: Vec<_> = (0..4).map(item).collect();
    let (mut from, mut to) = (List::new(), List::new());
    assert_eq!(to.move_front_from(&mut from, 1), 0);
    for item in &items[..3] {
        assert!(from.push_back(item.clone()).is_ok());
    }
    assert!(to.push_back(items[3].clone()).is_ok());
    assert_eq!((to.move_front_from(&mut from, 0), to.move_front_from(&mut from, 1)), (0, 1));
    assert_eq!((numbers(&from), numbers(&to)), ([1, 2].into(), [3, 0].into()));
    assert_eq!(to.back().map(|item| item.number), Some(0));
    assert!(to.contains(&items[0]) && !from.contains(&items[0]));
    assert_eq!(to.move_front_from(&mut from, 3), 2);
    assert!(from.is_empty() && from.front().is_none());
    assert!(from.push_back(items[2].clone()).is_err(), "it is in the other list");
    for number in [0, 3, 2, 1] {
        assert!(to.remove(&items[number]).is_some());
    }
    for item in &items[..3] {
        assert!(from.push_back(item.clone()).is_ok());
    }
    assert_eq!(to.move_front_from(&mut from, 2), 2);
    assert_eq!((numbers(&from), numbers(&to)), ([2].into(), [0, 1].into()));
    // Each list goes on both ways from where it was cut or joined.
    assert!(from.remove(&items[2]).is_some() && from.is_empty() && from.back().is_none());
    assert!(from.push_back(items[3].clone()).is_ok() && to.push_back(items[2].clone()).is_ok());
    assert_eq!((numbers(&from), numbers(&to)), ([3].into(), [0, 1, 2].into()));
    drop((from, to));
    assert!(items.iter().all(|item| Arc::strong_count(item) == 1));
}

#[test]
fn keeps_order_and_gives_back_what_it_holds() {
    let items: Vec<_> = (0..5).map(item).collect();
    let mut list = List::new();
    for item in &items {
        assert!(list.push_back(item.clone()).is_ok());
        assert_eq!(Arc::strong_count(item), 2);
    }
    assert_eq!(numbers(&list), [0, 1, 2, 3, 4]);
    assert_eq!(list.front().map(|item| item.number), Some(0));
    for (number, left) in [(2, &[0, 1, 3, 4][..]), (0, &[1, 3, 4]), (4, &[1, 3])] {
        let removed = list.remove(&items[number]);
        assert!(removed.is_some_and(|removed| Arc::ptr_eq(&removed, &items[number])));
        assert_eq!(numbers(&list), left);
        assert!(list.remove(&items[number]).is_none(), "it is no longer there");
    }
    assert!(list.push_front(items[0].clone()).is_ok() && list.push_back(items[4].clone()).is_ok());
    assert_eq!(numbers(&list), [0, 1, 3, 4]);
    let mut taken = Vec::new();
    let choose = |item: &Item| match item.number {
        0 | 3 => Choice::Take(item.number * 2),
        4 => Choice::Stop,
        _ => Choice::Leave,
    };
    list.take_chosen(choose, |item, twice| taken.push((item.number, twice)));
    assert_eq!((taken, numbers(&list)), (std::vec![(0, 0), (3, 6)], std::vec![1, 4]));
    assert!(list.remove(&items[4]).is_some());
    assert_eq!(list.pop_front().map(|item| item.number), Some(1));
    assert!(list.is_empty() && list.pop_front().is_none());
    assert!(items.iter().all(|item| Arc::strong_count(item) == 1));
}

#[test]
fn what_is_wanted_is_taken_from_the_front() {
    let items: Vec<_> = (0..6).map(item).collect();
    let mut list = List::new();
    let take = |list: &mut List<Item>, most: u32, below: u32| {
        let mut taken = Vec::new();
        let wanted = |item: &Item| item.number < below;
        list.take_front_for(0..most, wanted, |taker, item| taken.push((taker, item.number)));
        taken
    };
    assert!(take(&mut list, 3, 9).is_empty());
    for item in &items {
        assert!(list.push_back(item.clone()).is_ok());
    }
    assert!(take(&mut list, 0, 9).is_empty() && take(&mut list, 9, 0).is_empty());
    assert_eq!(take(&mut list, 2, 9), [(0, 0), (1, 1)]);
    assert_eq!(take(&mut list, 9, 3), [(0, 2)]);
    assert!(!list.contains(&items[2]) && !items[2].links.is_linked());
    // The list goes on both ways from where it was cut.
    assert!(list.push_front(items[1].clone()).is_ok() && list.remove(&items[3]).is_some());
    assert_eq!(numbers(&list), [1, 4, 5]);
    assert!(list.remove(&items[1]).is_some() && list.remove(&items[4]).is_some());
    assert_eq!(take(&mut list, 9, 9), [(0, 5)]);
    assert!(list.is_empty() && list.back().is_none());
    assert!(list.push_back(items[5].clone()).is_ok());
    drop(list);
    assert!(items.iter().all(|item| Arc::strong_count(item) == 1));
}

#[test]
fn a_list_is_whole_when_taking_from_it_was_broken_off() {
    let items: Vec<_> = (0..3).map(item).collect();
    let mut list = List::new();
    for item in &items {
        assert!(list.push_back(item.clone()).is_ok());
    }
    let taking = std::panic::AssertUnwindSafe(|| {
        list.take_front_for(0..3, |_| true, |taker, _| assert!(taker != 1, "broken off"));
    });
    assert!(std::panic::catch_unwind(taking).is_err());
    assert_eq!(numbers(&list), [2]);
    assert!(list.push_front(items[0].clone()).is_ok() && list.remove(&items[2]).is_some());
    drop(list);
    assert!(items.iter().all(|item| Arc::strong_count(item) == 1));
}

#[test]
fn an_element_is_in_one_list_at_a_time() {
    let one = item(1);
    let (mut here, mut there) = (List::new(), List::new());
    assert!(here.push_back(one.clone()).is_ok());
    assert!(there.push_back(one.clone()).is_err());
    assert!(there.remove(&one).is_none());
    // An identity goes with its list: exchanged as wholes, each still knows its own.
    core::mem::swap(&mut here, &mut there);
    assert!(here.remove(&one).is_none());
    assert!(one.links.is_linked());
    assert!(there.remove(&one).is_some());
    assert!(!one.links.is_linked());
    assert!(here.push_back(one).is_ok());
}

#[test]
fn a_dropped_list_lets_its_elements_go() {
    let one = item(1);
    let mut list = List::new();
    assert!(list.push_back(one.clone()).is_ok());
    drop(list);
    assert_eq!(Arc::strong_count(&one), 1);
    assert!(!one.links.is_linked());
}

struct Fickle {
    links: [Links<Fickle>; 2],
    asked: core::sync::atomic::AtomicUsize,
}

impl Linked for Fickle {
    fn links(&self) -> &Links<Self> {
        &self.links[self.asked.fetch_add(1, Ordering::Relaxed) % 2]
    }
}

#[test]
fn an_element_that_shows_other_links_each_time_is_taken_out_once() {
    let asked = core::sync::atomic::AtomicUsize::new(1);
    let one = Arc::new(Fickle { links: [Links::new(), Links::new()], asked });
    let mut list = List::new();
    // By its second links, and out again: they keep the pointer.
    assert!(list.push_back(one.clone()).is_ok() && list.pop_front().is_some());
    // By its first; asked twice, `remove` would look at those, and take out the second.
    assert!(list.push_back(one.clone()).is_ok());
    assert!(list.remove(&one).is_none() && list.remove(&one).is_some());
    assert!(list.is_empty() && !one.links.iter().any(Links::is_linked));
    assert_eq!(Arc::strong_count(&one), 1);
}

struct Elsewhere(&'static Links<Elsewhere>);

impl Linked for Elsewhere {
    fn links(&self) -> &Links<Self> {
        self.0
    }
}

#[test]
#[should_panic(expected = "not a part")]
fn links_that_live_elsewhere_are_refused() {
    let links = std::boxed::Box::leak(std::boxed::Box::new(Links::new()));
    let _ = List::new().push_back(Arc::new(Elsewhere(links)));
}
