//! The part without chance: every system call, with every bad pointer in every place.

use crate::arguments::{BAD_POINTERS, bad_pointer};
use crate::forbidden::{self, NUMBERS};
use crate::shared::Shared;

/// Six places for one pointer, and all at once.
const PLACES: u64 = 7;

const STEPS: u64 = NUMBERS * BAD_POINTERS as u64 * PLACES;

/// A call to make.
pub(crate) struct Step {
    /// Its number.
    pub number: u64,
    /// Its arguments.
    pub arguments: [usize; 6],
}

/// The next step, if any is left; a step that may not be made is passed over.
pub(crate) fn next(shared: &Shared, good: usize) -> Option<Step> {
    loop {
        let step = shared.take_step();
        if step >= STEPS {
            return None;
        }
        // The number goes round fastest, so that a call that waits does not hold up its own next variants only.
        let number = step % NUMBERS;
        let variant = step / NUMBERS;
        let pointer = bad_pointer((variant / PLACES) as usize);
        let mut arguments = [good, good, 8, 0, 0, 0];
        match (variant % PLACES) as usize {
            6 => arguments = [pointer; 6],
            place => arguments[place] = pointer,
        }
        if !forbidden::is_forbidden(number) {
            return Some(Step { number, arguments });
        }
    }
}

/// Whether all steps have been taken.
pub(crate) fn is_done(shared: &Shared) -> bool {
    shared.steps() >= STEPS
}

/// How far it has got.
pub(crate) fn progress(shared: &Shared) -> &'static str {
    match is_done(shared) {
        true => "every call with every bad pointer",
        false => "not yet every call with every bad pointer",
    }
}
