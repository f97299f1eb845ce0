//! Stacks that grow when they are used.

use contract::PAGE_SIZE;

use crate::error::FaultError;
use crate::flags::VmFlags;
use crate::mappings::{GUARD_GAP, LOWEST, Mappings};
use crate::mm::{Mm, State};

impl Mm {
    /// Grows the stack above an address down to it, if there is one and it may.
    pub(crate) fn grow_stack(&self, address: usize) -> Result<(), FaultError> {
        let mut state = self.state.write();
        if state.mappings.find(address).is_some() {
            // Another thread grew it meanwhile.
            return Ok(());
        }
        let start = allowed_growth(&state, address).ok_or(FaultError::SegvMaperr)?;
        state.mappings.grow_down(start, address);
        state.note_peak();
        Ok(())
    }
}

/// The start of the stack that may grow down to `address`.
fn allowed_growth(state: &State, address: usize) -> Option<usize> {
    let stack = state.mappings.find_or_above(address)?;
    if !stack.flags.contains(VmFlags::GROWS_DOWN) || address < LOWEST {
        return None;
    }
    let size = (stack.range.end - address) as u64;
    let grown = ((stack.range.start - address) / PAGE_SIZE) as u64;
    let total = (state.mappings.totals().all as u64 + grown) * PAGE_SIZE as u64;
    let fits = size <= state.limits.stack && total <= state.limits.address_space;
    (fits && keeps_distance(&state.mappings, address)).then_some(stack.range.start)
}

/// Whether a stack that starts at `address` keeps the guard gap from what lies below. Memory that
/// cannot be accessed is a guard itself, and another stack keeps its own distance.
fn keeps_distance(mappings: &Mappings, address: usize) -> bool {
    mappings.below(address).is_none_or(|below| {
        below.flags.contains(VmFlags::GROWS_DOWN)
            || below.flags.is_inaccessible()
            || address - below.range.end >= GUARD_GAP
    })
}
