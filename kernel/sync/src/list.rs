//! A list whose links are part of its elements, so that joining it takes no memory.

use alloc::sync::Arc;
use core::cell::Cell;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU64, Ordering};

/// An element's place in a [`List`]. It is in one list at a time.
pub struct Links<T: ?Sized> {
    /// The identity of the list it is in, 0 for none. Changed by who holds that list exclusively.
    owner: AtomicU64,
    /// Used only by who holds that list exclusively, as are the next two.
    previous: Cell<*const Links<T>>,
    next: Cell<*const Links<T>>,
    /// The element itself, with the list's reference to it, while it is in one.
    element: Cell<Option<NonNull<T>>>,
}

// SAFETY: but for `owner`, which is atomic, the fields are used only through the list that the element is in, which is
// held exclusively for that (`&mut List`); and elements are shared between threads, which is what `T: Send + Sync` allows.
unsafe impl<T: ?Sized + Send + Sync> Sync for Links<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Send + Sync> Send for Links<T> {}

impl<T: ?Sized> Links<T> {
    /// In no list.
    pub const fn new() -> Self {
        Self {
            owner: AtomicU64::new(0),
            previous: Cell::new(ptr::null()),
            next: Cell::new(ptr::null()),
            element: Cell::new(None),
        }
    }

    /// Whether the element is in a list. Only a hint, but for who knows that nobody else adds or removes it now.
    #[inline]
    pub fn is_linked(&self) -> bool {
        // Acquire pairs with the Release in `unlink`.
        self.owner.load(Ordering::Acquire) != 0
    }
}

impl<T: ?Sized> Default for Links<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Something that can be put into a list by its own links.
pub trait Linked: Send + Sync {
    /// The links, which are a field of the element itself.
    fn links(&self) -> &Links<Self>;
}

/// A doubly linked list that holds a reference to each of its elements.
///
/// Invariant: `first` and `last` and the links between are those of elements whose `owner` is this list's identity, each of
/// which the list keeps alive by one strong reference.
pub struct List<T: Linked + ?Sized> {
    /// 0 until the first element comes. Goes with the list when that is moved.
    identity: u64,
    first: *const Links<T>,
    last: *const Links<T>,
    owns: PhantomData<Arc<T>>,
}

// SAFETY: the list is a set of `Arc<T>`, with `T: Send + Sync` by `Linked`.
unsafe impl<T: Linked + ?Sized> Send for List<T> {}
// SAFETY: a shared list shows its elements only by shared reference.
unsafe impl<T: Linked + ?Sized> Sync for List<T> {}

impl<T: Linked + ?Sized> List<T> {
    /// Empty.
    pub const fn new() -> Self {
        Self { identity: 0, first: ptr::null(), last: ptr::null(), owns: PhantomData }
    }

    /// Whether there is no element.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.first.is_null()
    }

    // In place, as a call would cost those who hardly ever make it, too.
    #[inline(always)]
    fn identify(&mut self) {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        self.identity = NEXT.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds an element at the end.
    ///
    /// # Errors
    /// The element, if it is in a list already.
    ///
    /// # Panics
    /// If the element's links are not a part of it.
    #[inline]
    pub fn push_back(&mut self, element: Arc<T>) -> Result<(), Arc<T>> {
        let links = self.adopt(element)?;
        // SAFETY: `adopt` made it ours.
        let node = unsafe { &*links };
        node.previous.set(self.last);
        node.next.set(ptr::null());
        if self.last.is_null() {
            self.first = links;
        } else {
            // SAFETY: by the invariant, the last element's links, alive and ours to change.
            unsafe { (*self.last).next.set(links) };
        }
        self.last = links;
        Ok(())
    }

    /// Adds an element at the beginning.
    ///
    /// # Errors
    /// The element, if it is in a list already.
    ///
    /// # Panics
    /// If the element's links are not a part of it.
    #[inline]
    pub fn push_front(&mut self, element: Arc<T>) -> Result<(), Arc<T>> {
        let links = self.adopt(element)?;
        // SAFETY: `adopt` made it ours.
        let node = unsafe { &*links };
        node.previous.set(ptr::null());
        node.next.set(self.first);
        if self.first.is_null() {
            self.last = links;
        } else {
            // SAFETY: by the invariant, the first element's links, alive and ours to change.
            unsafe { (*self.first).previous.set(links) };
        }
        self.first = links;
        Ok(())
    }

    /// Makes this list the owner of an element's links, and of the reference to it.
    #[inline]
    fn adopt(&mut self, element: Arc<T>) -> Result<*const Links<T>, Arc<T>> {
        if self.identity == 0 {
            self.identify();
        }
        let links: *const Links<T> = element.links();
        let offset = links.addr().wrapping_sub(Arc::as_ptr(&element).cast::<()>().addr());
        // What lies within the element lives as long as it does, and does not move while there is a reference to it.
        assert!(offset < size_of_val(&*element), "the links are not a part of their element");
        // SAFETY: the element is alive, and `links` is a part of it.
        let node = unsafe { &*links };
        machine::irq::point();
        // Acquire pairs with the Release in `unlink`: who had it in a list before has done with the fields.
        if node
            .owner
            .compare_exchange(0, self.identity, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            return Err(element);
        }
        node.element.set(NonNull::new(Arc::into_raw(element).cast_mut()));
        Ok(links)
    }

    /// Whether an element is in this list.
    #[inline]
    pub fn contains(&self, element: &T) -> bool {
        self.owns(element.links())
    }

    #[inline]
    fn owns(&self, links: &Links<T>) -> bool {
        // Relaxed: only who holds this list exclusively stores or clears this identity.
        self.identity != 0 && links.owner.load(Ordering::Relaxed) == self.identity
    }

    /// Takes the first element.
    #[inline]
    pub fn pop_front(&mut self) -> Option<Arc<T>> {
        // SAFETY: by the invariant, an element's links, or none.
        let node = unsafe { self.first.as_ref() }?;
        let next = node.next.get();
        self.first = next;
        if next.is_null() {
            self.last = ptr::null();
        } else {
            // SAFETY: an element of this list.
            unsafe { (*next).previous.set(ptr::null()) };
        }
        Some(self.disown(node))
    }

    /// Takes elements from the beginning as long as they are as wanted, one for each of `takers` at most, and hands them over.
    #[inline]
    pub fn take_front_for<V>(
        &mut self,
        takers: impl IntoIterator<Item = V>,
        mut wanted: impl FnMut(&T) -> bool,
        mut hand_over: impl FnMut(V, Arc<T>),
    ) {
        /// What is left begins here. Put right at the end, whichever way that comes.
        struct Rest<'a, T: Linked + ?Sized> {
            list: &'a mut List<T>,
            first: *const Links<T>,
        }
        impl<T: Linked + ?Sized> Drop for Rest<'_, T> {
            #[inline]
            fn drop(&mut self) {
                self.list.first = self.first;
                if self.first.is_null() {
                    self.list.last = ptr::null();
                } else {
                    // SAFETY: by the invariant, an element's links, alive and the list's to change.
                    unsafe { (*self.first).previous.set(ptr::null()) };
                }
            }
        }
        let mut rest = Rest { first: self.first, list: self };
        for taker in takers {
            // SAFETY: by the invariant, an element's links, or none.
            let Some(node) = (unsafe { rest.first.as_ref() }) else { return };
            // SAFETY: the element is in this list, and alive; `wanted` cannot reach the list, which is borrowed exclusively.
            let element = unsafe { element_of(node) };
            // SAFETY: as above.
            if !wanted(unsafe { element.as_ref() }) {
                return;
            }
            rest.first = node.next.get();
            // SAFETY: it is the first of what is left, and of that the beginning is after it.
            hand_over(taker, unsafe { rest.list.release(node, element) });
        }
    }

    /// Takes an element out, if it is in this list.
    #[inline]
    pub fn remove(&mut self, element: &T) -> Option<Arc<T>> {
        // Asked for once: the next call might say something else, and only of these it is known that they are in this list.
        let links = element.links();
        if self.owns(links) { Some(self.unlink(links)) } else { None }
    }

    /// Moves another list's first elements, so many at most, to the end of this one. Returns how many there were.
    #[inline]
    pub fn move_front_from(&mut self, other: &mut Self, most: usize) -> usize {
        let first = other.first;
        if most == 0 || first.is_null() {
            return 0;
        }
        if self.identity == 0 {
            self.identify();
        }
        let (mut last, mut next, mut moved) = (first, first, 0);
        while moved < most && !next.is_null() {
            // SAFETY: by the other list's invariant, an element's links, alive and ours to change.
            let node = unsafe { &*next };
            // Relaxed: both lists are held exclusively, and the fields stay with who holds this one.
            node.owner.store(self.identity, Ordering::Relaxed);
            (last, next) = (next, node.next.get());
            moved += 1;
        }
        other.first = next;
        if next.is_null() {
            other.last = ptr::null();
        } else {
            // SAFETY: an element of the other list, which is ours to change.
            unsafe { (*next).previous.set(ptr::null()) };
        }
        // SAFETY: the two ends of what is moved.
        let (head, tail) = unsafe { (&*first, &*last) };
        head.previous.set(self.last);
        tail.next.set(ptr::null());
        if self.last.is_null() {
            self.first = first;
        } else {
            // SAFETY: by the invariant, the last element's links, alive and ours to change.
            unsafe { (*self.last).next.set(first) };
        }
        self.last = last;
        moved
    }

    /// Takes out an element of this list.
    #[inline]
    fn unlink(&mut self, links: *const Links<T>) -> Arc<T> {
        // SAFETY: by the invariant, alive and ours.
        let node = unsafe { &*links };
        let (previous, next) = (node.previous.get(), node.next.get());
        if previous.is_null() {
            self.first = next;
        } else {
            // SAFETY: an element of this list.
            unsafe { (*previous).next.set(next) };
        }
        if next.is_null() {
            self.last = previous;
        } else {
            // SAFETY: an element of this list.
            unsafe { (*next).previous.set(previous) };
        }
        self.disown(node)
    }

    /// Gives up the reference to an element of this list whose neighbours do not know it any more.
    #[inline]
    fn disown(&mut self, node: &Links<T>) -> Arc<T> {
        // SAFETY: the links are still this list's, and know their element.
        unsafe { self.release(node, element_of(node)) }
    }

    /// As [`disown`](Self::disown).
    ///
    /// # Safety
    /// The links are in this list and are those of this element.
    #[inline]
    unsafe fn release(&mut self, node: &Links<T>, element: NonNull<T>) -> Arc<T> {
        // Release: another list's owner may use the fields from here on.
        node.owner.store(0, Ordering::Release);
        machine::irq::point();
        // SAFETY: `adopt` got the pointer from `Arc::into_raw`, and the reference is taken back once: the element is no longer in
        // the list.
        unsafe { Arc::from_raw(element.as_ptr()) }
    }

    /// Goes through the list from the beginning, and hands to `taken` what `choose` says is to be taken out.
    #[inline]
    pub fn take_chosen<V>(
        &mut self,
        mut choose: impl FnMut(&T) -> Choice<V>,
        mut taken: impl FnMut(Arc<T>, V),
    ) {
        let mut links = self.first;
        while !links.is_null() {
            // SAFETY: by the invariant, an element's links and the element, both alive; `choose` cannot reach this list, which is
            // borrowed exclusively.
            let (choice, next) =
                unsafe { (choose(element_of(&*links).as_ref()), (*links).next.get()) };
            match choice {
                Choice::Take(why) => taken(self.unlink(links), why),
                Choice::Leave => {}
                Choice::Stop => return,
            }
            links = next;
        }
    }

    #[inline(never)]
    fn clear(&mut self) {
        while self.pop_front().is_some() {}
    }

    /// The first element.
    #[inline]
    pub fn front(&self) -> Option<&T> {
        // SAFETY: by the invariant, an element's links, or none.
        let links = unsafe { self.first.as_ref() }?;
        // SAFETY: the list is borrowed, so the element stays alive and in it.
        Some(unsafe { element_of(links).as_ref() })
    }

    /// The last element.
    pub fn back(&self) -> Option<&T> {
        // SAFETY: by the invariant, an element's links, or none.
        let links = unsafe { self.last.as_ref() }?;
        // SAFETY: the list is borrowed, so the element stays alive and in it.
        Some(unsafe { element_of(links).as_ref() })
    }

    /// The elements in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let mut links = self.first;
        core::iter::from_fn(move || {
            if links.is_null() {
                return None;
            }
            // SAFETY: the list is borrowed, so all its elements stay alive and in it.
            let (element, next) = unsafe { (element_of(&*links).as_ref(), (*links).next.get()) };
            links = next;
            Some(element)
        })
    }
}

/// The element of links.
///
/// # Safety
/// They are in a list that is held.
#[inline]
unsafe fn element_of<T: ?Sized>(links: &Links<T>) -> NonNull<T> {
    let element = links.element.get();
    debug_assert!(element.is_some(), "links in a list know their element");
    // SAFETY: `adopt` set it, and it stays as long as the links are in the list.
    unsafe { element.unwrap_unchecked() }
}

/// What [`List::take_chosen`] does with an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice<V> {
    /// Takes it out, and says what about it.
    Take(V),
    /// Leaves it where it is.
    Leave,
    /// Leaves it, and all behind it.
    Stop,
}

impl<T: Linked + ?Sized> Default for List<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Linked + ?Sized> Drop for List<T> {
    #[inline]
    fn drop(&mut self) {
        if !self.is_empty() {
            self.clear();
        }
    }
}

#[cfg(test)]
mod tests;
