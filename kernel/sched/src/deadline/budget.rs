//! The constant bandwidth server's arithmetic: how much a task may run, and by when. Nothing here knows of queues or locks.
//!
//! What it guarantees: in no span of time does a task get more than its rate times the span and one budget more, however it
//! sleeps, wakes, yields and overruns.

use super::parameters::DeadlineParameters;

/// What a task has left, and until when. Times are those of the monotonic clock, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Budget {
    /// To run until the deadline; not above 0: used up, and below it a debt that the next budgets pay.
    pub(crate) left: i64,
    /// 0: it never had one.
    pub(crate) deadline: u64,
}

impl Budget {
    /// Whether the task has to wait for its next period.
    pub(crate) const fn is_used_up(&self) -> bool {
        self.left <= 0
    }

    /// When the period ends to which the deadline belongs, and the next budget comes.
    pub(crate) const fn next_period(&self, rate: &DeadlineParameters) -> u64 {
        self.deadline.saturating_add(rate.period - rate.deadline)
    }

    /// What is left, and the deadline, for a task that begins to contend at `now`. It may have nothing left after that.
    pub(crate) fn woken(mut self, rate: &DeadlineParameters, now: u64) -> Self {
        if self.deadline == 0 {
            return Self::fresh(rate, now);
        }
        if self.is_used_up() {
            if now < self.next_period(rate) {
                return self;
            }
            // What the timer would have done, had it not slept.
            self = self.replenished(rate, now);
        }
        let is_constrained = rate.deadline < rate.period;
        if self.deadline < now {
            if is_constrained && now < self.next_period(rate) {
                return Self { left: 0, ..self };
            }
            return Self::fresh(rate, now);
        }
        let time_left = self.deadline - now;
        // Its density until the deadline would be above runtime / deadline.
        if self.left as u128 * u128::from(rate.deadline)
            > u128::from(time_left) * u128::from(rate.runtime)
        {
            if !is_constrained {
                return Self::fresh(rate, now);
            }
            let fits = u128::from(time_left) * u128::from(rate.runtime) / u128::from(rate.deadline);
            self.left = fits as i64;
        }
        self
    }

    const fn fresh(rate: &DeadlineParameters, now: u64) -> Self {
        Self { left: rate.runtime as i64, deadline: now + rate.deadline }
    }

    /// The next budget of one that is used up: as many periods later as it takes to pay the debt.
    pub(crate) fn replenished(self, rate: &DeadlineParameters, now: u64) -> Self {
        let periods = self.left.unsigned_abs() / rate.runtime + 1;
        let next = Self {
            left: self.left.saturating_add_unsigned(periods.saturating_mul(rate.runtime)),
            deadline: self.deadline.saturating_add(periods.saturating_mul(rate.period)),
        };
        // The clock has run far ahead of the timer.
        if next.deadline < now { Self::fresh(rate, now) } else { next }
    }

    /// After a run of so many nanoseconds.
    pub(crate) fn charged(self, ran: u64) -> Self {
        Self { left: self.left.saturating_sub_unsigned(ran), ..self }
    }

    /// From when on a task that leaves the class has not had more than its rate.
    pub(crate) fn zero_lag(&self, rate: &DeadlineParameters) -> u64 {
        let span = i128::from(self.left) * i128::from(rate.period) / i128::from(rate.runtime);
        u64::try_from(i128::from(self.deadline) - span).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = time::MILLISECOND;

    fn rate(runtime: u64, deadline: u64, period: u64) -> DeadlineParameters {
        DeadlineParameters { runtime, deadline, period, signals_overrun: false }
    }

    #[test]
    fn a_sleep_keeps_what_fits_and_no_more() {
        let rate = rate(2 * MS, 10 * MS, 10 * MS);
        let begun = Budget::default().woken(&rate, 100 * MS);
        assert_eq!(begun, Budget { left: 2 * MS as i64, deadline: 110 * MS });
        let used = begun.charged(MS);
        // A fifth of 5 ms is just what is left.
        assert_eq!(used.woken(&rate, 105 * MS), used);
        let late = used.woken(&rate, 105 * MS + 1);
        assert_eq!(late, Budget { left: 2 * MS as i64, deadline: 115 * MS + 1 });
    }

    #[test]
    fn a_constrained_task_gets_what_fits_and_waits_for_its_period() {
        let rate = rate(2 * MS, 4 * MS, 10 * MS);
        let begun = Budget::default().woken(&rate, 100 * MS);
        let late = begun.woken(&rate, 103 * MS);
        assert_eq!(late, Budget { left: MS as i64 / 2, deadline: 104 * MS });
        let too_late = begun.woken(&rate, 105 * MS);
        assert!(too_late.is_used_up());
        assert_eq!(too_late.next_period(&rate), 110 * MS);
        let next = too_late.woken(&rate, 110 * MS);
        assert_eq!(next, Budget { left: 2 * MS as i64, deadline: 114 * MS });
    }

    #[test]
    fn a_debt_is_paid_by_the_next_budgets() {
        let rate = rate(2 * MS, 10 * MS, 10 * MS);
        let begun = Budget::default().woken(&rate, 0);
        let overrun = begun.charged(7 * MS);
        let next = overrun.replenished(&rate, 10 * MS);
        assert_eq!(next, Budget { left: MS as i64, deadline: 40 * MS });
        assert_eq!(overrun.woken(&rate, 12 * MS), overrun.replenished(&rate, 12 * MS));
        assert!(overrun.woken(&rate, 9 * MS).is_used_up());
    }

    #[test]
    fn bandwidth_comes_back_when_the_rate_has_caught_up() {
        let rate = rate(2 * MS, 10 * MS, 10 * MS);
        let begun = Budget::default().woken(&rate, 100 * MS);
        assert_eq!(begun.zero_lag(&rate), 100 * MS);
        assert_eq!(begun.charged(MS).zero_lag(&rate), 105 * MS);
        assert_eq!(begun.charged(3 * MS).zero_lag(&rate), 115 * MS);
    }

    /// Whatever a task does, it gets no more than its rate and a budget or two in any span.
    #[test]
    fn no_behaviour_earns_more_than_the_rate() {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut draw = |bound: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % bound
        };
        for _ in 0..500 {
            let period = 100_000 + draw(20 * MS);
            let deadline = period - draw(2) * draw(period / 2);
            let runtime = (1024 + draw(deadline)).min(deadline);
            let rate = rate(runtime, deadline, period);
            let (mut now, mut budget, mut ran) = (MS, Budget::default(), 0);
            let begin = now;
            for _ in 0..200 {
                budget = budget.woken(&rate, now);
                if budget.is_used_up() {
                    now = now.max(budget.next_period(&rate));
                    budget = budget.replenished(&rate, now);
                }
                // Runs at once, now and then over its budget.
                let overrun = draw(2) * runtime / 4;
                let turn = 1 + draw(budget.left as u64 + overrun);
                budget = budget.charged(turn);
                ran += turn;
                now += turn + if draw(3) == 0 { draw(2 * period) } else { draw(period / 8) };
                let span = now - begin;
                let fair = (u128::from(span) * u128::from(runtime) / u128::from(period)) as u64;
                // One overrun is not yet paid, and one budget is always in advance.
                assert!(ran <= fair + 3 * runtime, "{ran} in {span} ns of {rate:?}");
            }
        }
    }
}
