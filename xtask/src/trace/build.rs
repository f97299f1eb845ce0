//! From records to a [`Timeline`].

use super::event::{Event, Kind, Named, Record, State};
use super::model::{Arrow, Cause, Cpu, Mark, Run, Slice, Span, Thread, Timeline};
use super::text::Read;
use std::collections::HashMap;

/// The thread that makes kernel threads.
const KTHREADD: u32 = 2;

/// Puts a trace together.
pub(crate) fn build(read: &Read) -> Timeline {
    let mut builder = Builder::default();
    builder.timeline.lost = read.lost;
    builder.timeline.from = read.records.first().map_or(0, |record| record.time);
    for record in &read.records {
        builder.take(record);
    }
    builder.finish()
}

/// A wake-up whose task has not run yet.
#[derive(Clone, Copy)]
struct Wake {
    cause: Cause,
    time: u64,
    cpu: usize,
    waker: Option<usize>,
    /// It came while the task was running: on its way to sleep, or not at all.
    early: bool,
}

/// What is going on with a thread.
struct Going {
    state: State,
    since: u64,
    wake: Option<Wake>,
    open: Vec<Open>,
}

/// What is going on on a CPU.
struct Site {
    /// Who runs, and since when; none: not known.
    occupant: Option<(Option<usize>, u64)>,
    open: Vec<Open>,
}

/// A slice without its end.
struct Open {
    kind: Kind,
    key: String,
    slice: Slice,
}

#[derive(Default)]
struct Builder {
    timeline: Timeline,
    /// Whom a number means now.
    by_pid: HashMap<u32, usize>,
    going: Vec<Going>,
    sites: Vec<Site>,
}

impl Builder {
    fn take(&mut self, record: &Record) {
        let &Record { time, cpu, .. } = record;
        self.timeline.to = time;
        while self.sites.len() <= cpu {
            self.sites.push(Site { occupant: None, open: Vec::new() });
            self.timeline.cpus.push(Cpu::default());
        }
        let here = self.find(&record.task, time);
        if self.sites[cpu].occupant.is_none() {
            // Who makes the first record that is seen of a CPU runs there.
            self.enter(cpu, here, time);
        }
        let waker = here.filter(|_| !record.in_interrupt);
        match &record.event {
            Event::Switch { previous, state, next } => self.switch(record, previous, *state, next),
            Event::Waking { task } => {
                let cause = if record.in_interrupt { Cause::Interrupt } else { Cause::Wake };
                if let Some(task) = self.find(task, time) {
                    let early = self.is_running(task);
                    self.going[task].wake = Some(Wake { cause, time, cpu, waker, early });
                }
            }
            Event::Woken { task, is_new } => self.woken(task, *is_new, record, waker),
            Event::Fork { parent, child } => self.fork(parent, child, record),
            Event::Exec { file } => {
                if let Some(here) = here {
                    // A program is what it is from now on, whoever made it.
                    self.timeline.threads[here].is_kernel = false;
                    self.mark(here, time, "exec", file);
                }
            }
            Event::Rename { task } => {
                if let Some(renamed) = self.find(task, time) {
                    self.mark(renamed, time, "renamed", &task.name);
                }
            }
            Event::Exit => {
                if let Some(here) = here {
                    self.mark(here, time, "exit", "");
                }
            }
            Event::Free { task } => {
                if let Some(task) = self.find(task, time) {
                    self.mark(task, time, "freed", "");
                }
            }
            Event::Stop { task } => {
                let who = record.task.name.clone();
                if let Some(task) = self.find(task, time) {
                    self.mark(task, time, "asked to stop", &format!("by {who}"));
                }
            }
            Event::Begin { kind, key, name, arguments } => {
                let slice = Slice {
                    from: time,
                    to: time,
                    depth: 0,
                    kind: *kind,
                    name: name.clone(),
                    arguments: arguments.clone(),
                };
                let open = Open { kind: *kind, key: key.clone(), slice };
                if let Some(stack) = self.stack(*kind, cpu, here) {
                    stack.push(open);
                }
            }
            Event::End { kind, key } => self.end(*kind, key, cpu, here, time),
            Event::Other { name, text } => {
                if let Some(here) = here.filter(|_| is_of_thread(name)) {
                    self.mark(here, time, name, text);
                }
            }
        }
    }

    /// Whom a number means, who is new if nobody had it. None: the idle task.
    fn find(&mut self, task: &Named, time: u64) -> Option<usize> {
        if task.pid == 0 {
            return None;
        }
        let known = self.by_pid.get(&task.pid).copied();
        let found = known.unwrap_or_else(|| self.add(task, time, State::Unknown));
        // What a name was cut off of stays.
        if self.timeline.threads[found].name != task.name {
            self.timeline.threads[found].name.clone_from(&task.name);
        }
        Some(found)
    }

    fn add(&mut self, task: &Named, time: u64, state: State) -> usize {
        let index = self.timeline.threads.len();
        self.timeline.threads.push(Thread {
            pid: task.pid,
            name: task.name.clone(),
            parent: None,
            is_kernel: task.pid == KTHREADD,
            born: None,
            ended: None,
            spans: Vec::new(),
            slices: Vec::new(),
            marks: Vec::new(),
        });
        self.going.push(Going { state, since: time, wake: None, open: Vec::new() });
        self.by_pid.insert(task.pid, index);
        index
    }

    fn mark(&mut self, thread: usize, time: u64, name: &str, arguments: &str) {
        self.timeline.threads[thread].marks.push(Mark {
            time,
            name: name.to_owned(),
            arguments: arguments.to_owned(),
        });
    }

    /// The thread is in another state from now on.
    fn change(&mut self, thread: usize, time: u64, state: State) {
        let going = &mut self.going[thread];
        let (before, since) = (going.state, going.since);
        (going.state, going.since) = (state, time);
        if since == time || matches!(before, State::Unknown | State::Dead) {
            return;
        }
        let spans = &mut self.timeline.threads[thread].spans;
        match spans.last_mut() {
            // It was looked at in between, no more.
            Some(last) if last.state == before && last.to == since => last.to = time,
            _ => spans.push(Span { from: since, to: time, state: before }),
        }
    }

    /// The CPU's occupant runs there no longer, and is in this state.
    fn leave(&mut self, cpu: usize, time: u64, state: State) {
        let Some((thread, since)) = self.sites[cpu].occupant.take() else { return };
        if since < time {
            self.timeline.cpus[cpu].runs.push(Run { from: since, to: time, thread });
        }
        if let Some(thread) = thread {
            self.change(thread, time, state);
            if state == State::Dead {
                self.timeline.threads[thread].ended = Some(time);
            }
        }
    }

    /// A thread, or the idle task, runs on a CPU that nobody occupies.
    fn enter(&mut self, cpu: usize, thread: Option<usize>, time: u64) {
        self.sites[cpu].occupant = Some((thread, time));
        let Some(thread) = thread else { return };
        if let State::Running(other) = self.going[thread].state {
            // It cannot run twice: how it left is missing.
            self.timeline.odd += 1;
            self.leave(other, time, State::Unknown);
        }
        let wake = self.going[thread].wake.take();
        if wake.is_some_and(|wake| wake.early) && self.going[thread].state.is_asleep() {
            // It said that it would sleep, and was woken before it had left its CPU.
            self.going[thread].state = State::Runnable;
        }
        self.change(thread, time, State::Running(cpu));
        if let Some(Wake { cause, time: from, cpu, waker, .. }) = wake {
            let arrow = Arrow { cause, from, cpu, waker, to: time, woken: thread };
            self.timeline.arrows.push(arrow);
        }
    }

    fn is_running(&self, thread: usize) -> bool {
        matches!(self.going[thread].state, State::Running(_))
    }

    fn switch(&mut self, record: &Record, previous: &Named, state: State, next: &Named) {
        let &Record { time, cpu, .. } = record;
        let (previous, next) = (self.find(previous, time), self.find(next, time));
        match self.sites[cpu].occupant {
            Some((thread, _)) if thread == previous => {}
            _ => {
                self.timeline.odd += 1;
                self.leave(cpu, time, State::Unknown);
                self.settle(previous, time);
            }
        }
        match self.sites[cpu].occupant {
            Some(_) => self.leave(cpu, time, state),
            None => {
                if let Some(previous) = previous {
                    self.change(previous, time, state);
                }
            }
        }
        self.enter(cpu, next, time);
    }

    /// Whoever is said to leave a CPU where it was not known to run does not run elsewhere.
    fn settle(&mut self, thread: Option<usize>, time: u64) {
        if let Some(State::Running(other)) = thread.map(|thread| self.going[thread].state) {
            self.leave(other, time, State::Unknown);
        }
    }

    fn woken(&mut self, task: &Named, is_new: bool, record: &Record, waker: Option<usize>) {
        let &Record { time, cpu, in_interrupt, .. } = record;
        let Some(task) = self.find(task, time) else { return };
        let cause = if in_interrupt { Cause::Interrupt } else { Cause::Wake };
        let early = self.is_running(task);
        let known = self.going[task].wake.filter(|wake| wake.early == early);
        self.going[task].wake = known.or(Some(Wake { cause, time, cpu, waker, early }));
        if is_new {
            self.mark(task, time, "first wake-up", "");
        }
        if !early {
            self.change(task, time, State::Runnable);
        }
    }

    fn fork(&mut self, parent: &Named, child: &Named, record: &Record) {
        let &Record { time, cpu, .. } = record;
        let parent = self.find(parent, time);
        // Whoever had the number before is gone, even if its end was not seen.
        if let Some(before) = self.by_pid.remove(&child.pid) {
            self.settle(Some(before), time);
            self.change(before, time, State::Unknown);
        }
        let child = self.add(child, time, State::New);
        // The idle task makes PID 1, which lives in the kernel until it executes a program, and kthreadd, which makes all others.
        let is_kernel = parent.is_none_or(|parent| self.timeline.threads[parent].pid == KTHREADD);
        let thread = &mut self.timeline.threads[child];
        thread.born = Some(time);
        thread.parent = parent;
        thread.is_kernel |= is_kernel;
        if let Some(parent) = parent {
            let arrow = Arrow {
                cause: Cause::Fork,
                from: time,
                cpu,
                waker: Some(parent),
                to: time,
                woken: child,
            };
            self.timeline.arrows.push(arrow);
        }
    }

    fn stack(&mut self, kind: Kind, cpu: usize, here: Option<usize>) -> Option<&mut Vec<Open>> {
        match kind.is_of_cpu() {
            true => Some(&mut self.sites[cpu].open),
            false => Some(&mut self.going[here?].open),
        }
    }

    fn end(&mut self, kind: Kind, key: &str, cpu: usize, here: Option<usize>, time: u64) {
        let Some(stack) = self.stack(kind, cpu, here) else { return };
        let Some(place) = stack.iter().rposition(|open| open.kind == kind && open.key == key)
        else {
            self.timeline.odd += 1;
            return;
        };
        // What is above has lost its end.
        let inner = stack.split_off(place);
        self.timeline.odd += inner.len() as u64 - 1;
        self.close(inner, place, cpu, here, time);
    }

    /// Slices end now that are inside of so many others, each inside the one before.
    fn close(&mut self, open: Vec<Open>, depth: usize, cpu: usize, here: Option<usize>, time: u64) {
        for (place, Open { kind, slice, .. }) in open.into_iter().enumerate() {
            let slice = Slice { to: time, depth: depth + place, ..slice };
            match (kind.is_of_cpu(), here) {
                (true, _) => self.timeline.cpus[cpu].slices.push(slice),
                (false, Some(here)) => self.timeline.threads[here].slices.push(slice),
                (false, None) => {}
            }
        }
    }

    fn finish(mut self) -> Timeline {
        let end = self.timeline.to;
        for cpu in 0..self.sites.len() {
            let running = self.sites[cpu].occupant;
            self.leave(cpu, end, State::Unknown);
            let open = std::mem::take(&mut self.sites[cpu].open);
            let here = running.and_then(|(thread, _)| thread);
            self.close(open, 0, cpu, here, end);
        }
        for thread in 0..self.going.len() {
            self.change(thread, end, State::Unknown);
            let open = std::mem::take(&mut self.going[thread].open);
            self.close(open, 0, 0, Some(thread), end);
        }
        let slices = self.timeline.cpus.iter_mut().map(|cpu| &mut cpu.slices);
        let all = slices.chain(self.timeline.threads.iter_mut().map(|thread| &mut thread.slices));
        for slices in all {
            slices.sort_by_key(|slice| (slice.from, slice.depth));
        }
        self.timeline
    }
}

/// Events that are worth a mark on the running thread's row. Those that say what another does, or that time goes by, are not.
fn is_of_thread(name: &str) -> bool {
    !(name.starts_with("timer_")
        || name.starts_with("hrtimer_")
        || name.starts_with("softirq_")
        || name.starts_with("workqueue_activate"))
}

#[cfg(test)]
#[path = "build_tests.rs"]
pub(super) mod tests;
