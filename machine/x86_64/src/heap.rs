//! Boxes whose allocation may fail.

use alloc::alloc::{Layout, alloc};
use alloc::boxed::Box;
use contract::OutOfFrames;

/// Puts a value into a box, or says that there is no memory.
pub(crate) fn try_box<T>(value: T) -> Result<Box<T>, OutOfFrames> {
    const { assert!(size_of::<T>() > 0) };
    // SAFETY: the layout is that of a type with a size; the memory is written before it is a box.
    unsafe {
        let memory = alloc(Layout::new::<T>()).cast::<T>();
        if memory.is_null() {
            return Err(OutOfFrames);
        }
        memory.write(value);
        Ok(Box::from_raw(memory))
    }
}
