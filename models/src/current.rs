//! The running task.

use core::ops::Deref;

use std::cell::RefCell;

use crate::task::{Task, TaskRef};
use alloc::sync::Arc;

weak::thread_local! {
    static CURRENT: RefCell<Option<TaskRef>> = RefCell::new(None);
}

/// The running task.
pub struct Current<T>(Arc<T>);

impl<T> Current<T> {
    /// A reference of one's own.
    pub fn to_arc(&self) -> Arc<T> {
        self.0.clone()
    }
}

impl<T> Deref for Current<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

/// Does something as a task.
pub fn as_task<T>(body: impl FnOnce() -> T) -> T {
    let set = |task| CURRENT.with(|current| current.replace(task));
    assert!(set(Some(Task::this_thread())).is_none(), "a thread is one task");
    let result = body();
    drop(set(None));
    result
}

pub(crate) fn current() -> Current<Task> {
    Current(current_ref())
}

pub(crate) fn current_ref() -> TaskRef {
    CURRENT.with(|current| current.borrow().clone()).expect("the thread is a task")
}

pub(crate) fn assert_awake(me: &Task) {
    debug_assert_eq!(me.state.load(), crate::state::RUNNING);
}
