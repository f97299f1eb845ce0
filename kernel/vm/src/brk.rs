//! `brk`: the heap's end.

use contract::PAGE_SIZE;
use machine::user::USER_END;

use crate::backing::Source;
use crate::flags::VmFlags;
use crate::map::{check_limits, page_up};
use crate::mm::{Mm, State};
use crate::vma::Vma;

impl Mm {
    /// Moves the heap's end and returns where it is now: where it was, if it cannot go there. May
    /// sleep.
    pub fn brk(&self, end: usize) -> usize {
        let mut state = self.state.write();
        if self.move_brk(&mut state, end).is_some() {
            state.layout.brk = end;
        }
        state.layout.brk
    }

    /// `None`: it cannot go there.
    fn move_brk(&self, state: &mut State, end: usize) -> Option<()> {
        let layout = state.layout;
        if end < layout.start_brk || end > USER_END {
            return None;
        }
        let initialised = layout.data.1.saturating_sub(layout.data.0);
        if (end - layout.start_brk + initialised) as u64 > state.limits.data {
            return None;
        }
        let old_end = page_up(layout.brk)?;
        let new_end = page_up(end)?;
        if new_end < old_end {
            self.unmap_range(state, new_end..old_end);
        } else if new_end > old_end {
            self.extend_heap(state, old_end, new_end)?;
        }
        Some(())
    }

    fn extend_heap(&self, state: &mut State, old_end: usize, new_end: usize) -> Option<()> {
        let flags = VmFlags::READ | VmFlags::WRITE | VmFlags::MAY_WRITE | VmFlags::MAY_EXEC;
        let range = old_end..new_end;
        // One page stays free above, so that the heap does not run into what comes next unnoticed.
        if !state.mappings.has_gap(old_end..new_end + PAGE_SIZE) {
            return None;
        }
        check_limits(state, range.clone(), 0, flags).ok()?;
        state.mappings.check_room(1).ok()?;
        state.mappings.insert(Vma { range, flags, source: Source::Anonymous });
        state.note_peak();
        Some(())
    }
}
