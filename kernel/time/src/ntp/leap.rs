//! Leap seconds: one that is put in at the end of a day of the date, or left out.
//!
//! ```text
//!            STA_INS                 midnight: back by a second         a second later
//!   Ok ────────────────> Inserting ──────────────────────────> Inserted ───────────────> Done
//!    ^ │     STA_DEL                 23:59:59: ahead by a second                          │ ^
//!    │ └───────────────> Deleting ────────────────────────────────────────────────────────┼─┘
//!    └────────────────────────────────── neither bit is set any more ─────────────────────┘
//! ```

/// Seconds in a day.
const DAY: i64 = 86_400;

/// `STA_INS`: a second is to be put in at the end of the day.
pub(super) const STA_INS: u32 = 0x0010;
/// `STA_DEL`: the last second of the day is to be left out.
pub(super) const STA_DEL: u32 = 0x0020;

/// How far it is; in this order, the numbers are those of `TIME_OK` to `TIME_WAIT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leap {
    /// Nothing is wanted.
    Ok,
    /// At this second, one is put in before it.
    Inserting(i64),
    /// At this second, which is left out.
    Deleting(i64),
    /// It is the one that was put in.
    Inserted,
    /// It is over, and the bit that asked for it still set.
    Done,
}

impl Leap {
    /// `TIME_*`
    pub(super) fn number(self) -> usize {
        match self {
            Self::Ok => 0,
            Self::Inserting(_) => 1,
            Self::Deleting(_) => 2,
            Self::Inserted => 3,
            Self::Done => 4,
        }
    }

    /// A second of the date begins. Returns the next state, and by how many seconds the date is to be moved.
    pub(super) fn second(self, status: u32, second: i64) -> (Self, i64) {
        let (inserts, deletes) = (status & STA_INS != 0, status & STA_DEL != 0);
        match self {
            Self::Ok if inserts => (Self::Inserting(second + DAY - second.rem_euclid(DAY)), 0),
            Self::Ok if deletes => (Self::Deleting(second + DAY - (second + 1).rem_euclid(DAY)), 0),
            Self::Inserting(_) if !inserts => (Self::Ok, 0),
            Self::Inserting(at) if second == at => (Self::Inserted, -1),
            Self::Deleting(_) if !deletes => (Self::Ok, 0),
            Self::Deleting(at) if second == at => (Self::Done, 1),
            Self::Inserted => (Self::Done, 0),
            Self::Done if !inserts && !deletes => (Self::Ok, 0),
            same => (same, 0),
        }
    }

    /// The date has been set: what was to come at a second of it does not.
    pub(super) fn forget(self) -> Self {
        match self {
            Self::Inserting(_) => Self::Inserting(i64::MAX),
            Self::Deleting(_) => Self::Deleting(i64::MAX),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DAY, Leap, STA_DEL, STA_INS};

    /// Lets the seconds of a date go by, from a second on. Returns what the date showed.
    fn run(leap: &mut Leap, status: u32, from: i64, seconds: usize) -> Vec<i64> {
        let mut date = from;
        (0..seconds)
            .map(|_| {
                let (next, moved) = leap.second(status, date);
                (*leap, date) = (next, date + moved);
                date += 1;
                date - 1
            })
            .collect()
    }

    extern crate std;
    use std::vec::Vec;

    #[test]
    fn w03_a_second_is_put_in_and_left_out() {
        let midnight = 20_000 * DAY;
        let mut leap = Leap::Ok;
        let shown = run(&mut leap, STA_INS, midnight - 3, 7);
        // Both times the same second, as 23:59:60 is not counted.
        let expected = [-3, -2, -1, -1, 0, 1, 2].map(|second| midnight + second);
        assert_eq!(shown, expected);
        assert_eq!(leap, Leap::Done);
        assert_eq!(leap.second(0, midnight + 3), (Leap::Ok, 0));
        let mut leap = Leap::Ok;
        let shown = run(&mut leap, STA_DEL, midnight - 3, 4);
        assert_eq!(shown, [-3, -2, 0, 1].map(|second| midnight + second));
        assert_eq!(leap, Leap::Done);
    }

    #[test]
    fn w03_a_leap_second_is_called_off() {
        let (leap, _) = Leap::Ok.second(STA_INS, 5);
        assert_eq!((leap, leap.number()), (Leap::Inserting(DAY), 1));
        assert_eq!(leap.second(0, 6), (Leap::Ok, 0));
        assert_eq!(leap.forget().second(STA_INS, DAY), (Leap::Inserting(i64::MAX), 0));
        let (leap, _) = Leap::Ok.second(STA_DEL, 5);
        assert_eq!((leap, leap.number()), (Leap::Deleting(DAY - 1), 2));
        assert_eq!(leap.second(0, 6), (Leap::Ok, 0));
    }
}
