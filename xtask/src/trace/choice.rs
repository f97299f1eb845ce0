//! Which threads, and which part of the time.

use super::model::{Cause, Timeline};
use anyhow::{Result, bail};

/// A picture of more threads than this is none.
const LANES_MAX: usize = 24;

/// How many of those that a thread has to do with are shown with it.
const PARTNERS_MAX: usize = 4;

/// What is to be shown.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Choice {
    /// Of the picture: threads with this in their names, or with this number, and who wakes them (may be repeated) [default: kernel
    /// threads that are made and end]
    #[arg(long = "kthread", value_name = "NAME")]
    pub names: Vec<String>,

    /// Nothing before so many seconds after boot
    #[arg(long, value_name = "S")]
    pub from: Option<f64>,

    /// Nothing after so many seconds after boot
    #[arg(long, value_name = "S")]
    pub to: Option<f64>,
}

impl Choice {
    /// The timeline, cut to the times that were asked for.
    ///
    /// # Errors
    /// There is nothing in them.
    pub(crate) fn cut(&self, timeline: Timeline) -> Result<Timeline> {
        if self.from.is_none() && self.to.is_none() {
            return Ok(timeline);
        }
        let nanoseconds = |seconds: f64| (seconds.max(0.0) * 1e9) as u64;
        let from = self.from.map_or(timeline.from, nanoseconds);
        let to = self.to.map_or(timeline.to, nanoseconds);
        if from >= to || from >= timeline.to || to <= timeline.from {
            bail!(
                "nothing happened from {:.6} to {:.6} s: the trace goes from {:.6} to {:.6} s",
                from as f64 / 1e9,
                to as f64 / 1e9,
                timeline.from as f64 / 1e9,
                timeline.to as f64 / 1e9
            );
        }
        Ok(timeline.within(from, to))
    }

    /// The threads that a picture shows, from top to bottom: the partners of the chosen ones, and these.
    ///
    /// # Errors
    /// No thread has such a name, or too many have.
    pub(crate) fn lanes(&self, timeline: &Timeline) -> Result<Lanes> {
        let chosen = match self.names.is_empty() {
            true => whole_lives(timeline),
            false => self.named(timeline),
        };
        if chosen.is_empty() {
            match self.names.is_empty() {
                true => bail!("no kernel thread was made: name one with --kthread"),
                false => bail!("no thread is called {}", self.names.join(" or ")),
            }
        }
        if chosen.len() > LANES_MAX && !self.names.is_empty() {
            bail!("{} threads are called so: say more of the name, or a number", chosen.len());
        }
        let chosen = Vec::from_iter(chosen.into_iter().take(LANES_MAX));
        let partners = partners(timeline, &chosen);
        Ok(Lanes { partners, chosen })
    }

    fn named(&self, timeline: &Timeline) -> Vec<usize> {
        let is_meant = |place: &usize| {
            let thread = &timeline.threads[*place];
            let fits = |name: &String| {
                thread.name.contains(&**name)
                    || name.parse().is_ok_and(|pid: u32| pid == thread.pid)
            };
            self.names.iter().any(fits) && !thread.spans.is_empty()
        };
        (0..timeline.threads.len()).filter(is_meant).collect()
    }
}

/// Threads by their places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lanes {
    /// Those that make or wake the chosen ones, in the order in which they first do.
    pub partners: Vec<usize>,
    /// Those that are meant.
    pub chosen: Vec<usize>,
}

/// Kernel threads that are made and end, or, if there are none, that are made.
fn whole_lives(timeline: &Timeline) -> Vec<usize> {
    let of = |ended: bool| {
        let threads = timeline.threads.iter().enumerate();
        let some = threads.filter(|(_, thread)| {
            thread.is_kernel
                && thread.born.is_some_and(|born| born >= timeline.from && born <= timeline.to)
                && (!ended || thread.ended.is_some())
        });
        some.map(|(place, _)| place).collect::<Vec<_>>()
    };
    Some(of(true)).filter(|some| !some.is_empty()).unwrap_or_else(|| of(false))
}

/// Those that make the chosen ones come first to mind; then those that wake them, or that they wake.
fn partners(timeline: &Timeline, chosen: &[usize]) -> Vec<usize> {
    let mut partners: Vec<usize> = Vec::new();
    let mut add = |who: usize| {
        if !chosen.contains(&who) && !partners.contains(&who) && partners.len() < PARTNERS_MAX {
            partners.push(who);
        }
    };
    let made = |arrow: &&super::model::Arrow| arrow.cause == Cause::Fork;
    let touching = || timeline.arrows.iter().filter(|arrow| chosen.contains(&arrow.woken));
    touching().filter(made).filter_map(|arrow| arrow.waker).for_each(&mut add);
    let of_chosen =
        |arrow: &&super::model::Arrow| arrow.waker.is_some_and(|waker| chosen.contains(&waker));
    timeline.arrows.iter().filter(of_chosen).for_each(|arrow| add(arrow.woken));
    touching().filter_map(|arrow| arrow.waker).for_each(&mut add);
    partners
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::build::{build, tests::a_life};
    use crate::trace::text;

    #[test]
    fn r04_a_life_is_shown_with_those_that_it_has_to_do_with() {
        let timeline = build(&text::read(&a_life()));
        let names = |places: &[usize]| -> Vec<&str> {
            places.iter().map(|&place| &*timeline.threads[place].name).collect()
        };
        let lanes = Choice::default().lanes(&timeline).unwrap();
        assert_eq!(
            (names(&lanes.partners), names(&lanes.chosen)),
            (vec!["kthreadd", "init"], vec!["life"])
        );
        let by_number = Choice { names: vec!["9".into()], ..Choice::default() };
        assert_eq!(by_number.lanes(&timeline).unwrap(), lanes);
        let nobody = Choice { names: vec!["nobody".into()], ..Choice::default() };
        assert!(nobody.lanes(&timeline).is_err());
    }

    #[test]
    fn r04_times_without_records_are_refused() {
        let timeline = build(&text::read(&a_life()));
        let early = Choice { to: Some(0.000_001), ..Choice::default() };
        assert!(early.cut(timeline.clone()).is_err());
        let part = Choice { from: Some(0.000_05), ..Choice::default() };
        assert_eq!(part.cut(timeline).unwrap().from, 50_000);
    }
}
