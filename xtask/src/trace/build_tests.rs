//! Small traces written by hand, and many by chance.

use super::*;
use crate::trace::{chrome, schema, text};
use proptest::prelude::*;

fn timeline(lines: &str) -> Timeline {
    let read = text::read(lines);
    assert_eq!(read.unread, Vec::<String>::new());
    build(&read)
}

/// The words of a switch.
fn switch(previous: (&str, u32), state: &str, next: (&str, u32)) -> String {
    format!(
        "sched_switch: prev_comm={} prev_pid={} prev_prio=120 prev_state={state} ==> next_comm={} next_pid={} next_prio=120",
        previous.0, previous.1, next.0, next.1
    )
}

/// A line in which a task on a CPU does something, so many microseconds after boot.
fn line(time: u64, cpu: usize, task: (&str, u32), context: &str, what: &str) -> String {
    format!("{}-{} [{cpu:03}] {context} 0.{time:06}: {what}\n", task.0, task.1)
}

const IDLE: (&str, u32) = ("swapper/0", 0);
const MAKER: (&str, u32) = ("kthreadd", 2);
const CREATOR: (&str, u32) = ("init", 1);
const NEWBORN: (&str, u32) = ("life", 9);

/// A kernel thread is made, reports itself in, is woken, is asked to stop and ends, on one CPU.
pub(in crate::trace) fn a_life() -> String {
    let wake = |what: &str, (name, pid): (&str, u32)| {
        format!("{what}: comm={name} pid={pid} prio=120 target_cpu=000")
    };
    [
        line(10, 0, CREATOR, ".....", &wake("sched_waking", MAKER)),
        line(11, 0, CREATOR, ".....", &wake("sched_wakeup", MAKER)),
        line(12, 0, CREATOR, ".....", &switch(CREATOR, "D", MAKER)),
        line(
            20,
            0,
            MAKER,
            ".....",
            "sched_process_fork: comm=kthreadd pid=2 child_comm=life child_pid=9",
        ),
        line(22, 0, MAKER, ".....", &wake("sched_wakeup_new", NEWBORN)),
        line(25, 0, MAKER, ".....", &switch(MAKER, "S", NEWBORN)),
        line(27, 0, NEWBORN, ".....", &wake("sched_waking", CREATOR)),
        line(28, 0, NEWBORN, ".....", &wake("sched_wakeup", CREATOR)),
        line(30, 0, NEWBORN, ".....", &switch(NEWBORN, "D", CREATOR)),
        line(40, 0, CREATOR, ".....", &wake("sched_waking", NEWBORN)),
        line(41, 0, CREATOR, ".....", &wake("sched_wakeup", NEWBORN)),
        line(45, 0, CREATOR, ".....", &switch(CREATOR, "R+", NEWBORN)),
        line(46, 0, NEWBORN, ".....", "workqueue_execute_start: work struct 00aa: function tidy"),
        line(47, 0, NEWBORN, "..s..", "softirq_entry: vec=1 [action=TIMER]"),
        line(
            48,
            0,
            NEWBORN,
            "..s..",
            "timer_expire_entry: timer=00bb function=tick now=7 baseclk=7",
        ),
        line(49, 0, NEWBORN, "..s..", "timer_expire_exit: timer=00bb"),
        line(50, 0, NEWBORN, "..s..", "softirq_exit: vec=1 [action=TIMER]"),
        line(52, 0, NEWBORN, ".....", "workqueue_execute_end: work struct 00aa: function tidy"),
        line(60, 0, NEWBORN, ".....", &switch(NEWBORN, "S", CREATOR)),
        line(70, 0, CREATOR, ".....", "sched_kthread_stop: comm=life pid=9"),
        line(71, 0, CREATOR, ".....", &wake("sched_waking", NEWBORN)),
        line(72, 0, CREATOR, ".....", &wake("sched_wakeup", NEWBORN)),
        line(75, 0, CREATOR, ".....", &switch(CREATOR, "D", NEWBORN)),
        line(80, 0, NEWBORN, ".....", "sched_process_exit: comm=life pid=9 prio=120"),
        line(81, 0, NEWBORN, ".....", &wake("sched_waking", CREATOR)),
        line(82, 0, NEWBORN, ".....", &wake("sched_wakeup", CREATOR)),
        line(85, 0, NEWBORN, ".....", &switch(NEWBORN, "X", CREATOR)),
        line(90, 0, CREATOR, ".....", "sched_kthread_stop_ret: ret=0"),
        line(95, 0, CREATOR, ".....", &switch(CREATOR, "S", IDLE)),
        line(99, 0, IDLE, ".....", "sched_process_free: comm=life pid=9 prio=120"),
    ]
    .concat()
}

/// Spans in microseconds.
fn spans(thread: &Thread) -> Vec<(u64, u64, State)> {
    thread.spans.iter().map(|span| (span.from / 1000, span.to / 1000, span.state)).collect()
}

#[test]
fn r04_the_life_of_a_kernel_thread() {
    let timeline = timeline(&a_life());
    assert_eq!((timeline.odd, timeline.lost), (0, 0));
    let life = timeline.thread("life");
    assert!(life.is_kernel && timeline.thread("kthreadd").is_kernel);
    assert!(!timeline.thread("init").is_kernel);
    assert_eq!((life.born, life.ended), (Some(20_000), Some(85_000)));
    assert_eq!(life.parent.map(|parent| timeline.threads[parent].pid), Some(2));
    let running = State::Running(0);
    assert_eq!(
        spans(life),
        [
            (20, 22, State::New),
            (22, 25, State::Runnable),
            (25, 30, running),
            (30, 41, State::Uninterruptible),
            (41, 45, State::Runnable),
            (45, 60, running),
            (60, 72, State::Sleeping),
            (72, 75, State::Runnable),
            (75, 85, running),
        ]
    );
    let marks: Vec<_> = life.marks.iter().map(|mark| (mark.time / 1000, &*mark.name)).collect();
    assert_eq!(marks, [(22, "first wake-up"), (70, "asked to stop"), (80, "exit"), (99, "freed")]);
}

#[test]
fn r04_arrows_lead_from_waker_to_woken() {
    let timeline = timeline(&a_life());
    let name = |thread: usize| &*timeline.threads[thread].name;
    let arrows: Vec<_> = timeline
        .arrows
        .iter()
        .map(|arrow| {
            (
                arrow.from / 1000,
                arrow.waker.map(name),
                arrow.to / 1000,
                name(arrow.woken),
                arrow.cause,
            )
        })
        .collect();
    assert_eq!(
        arrows,
        [
            (10, Some("init"), 12, "kthreadd", Cause::Wake),
            (20, Some("kthreadd"), 20, "life", Cause::Fork),
            (22, Some("kthreadd"), 25, "life", Cause::Wake),
            (27, Some("life"), 30, "init", Cause::Wake),
            (40, Some("init"), 45, "life", Cause::Wake),
            (71, Some("init"), 75, "life", Cause::Wake),
            (81, Some("life"), 85, "init", Cause::Wake),
        ]
    );
}

#[test]
fn r04_slices_are_inside_of_each_other() {
    let timeline = timeline(&a_life());
    let slices: Vec<_> = timeline.cpus[0]
        .slices
        .iter()
        .map(|s| (s.from / 1000, s.to / 1000, s.depth, &*s.name))
        .collect();
    assert_eq!(slices, [(47, 50, 0, "TIMER"), (48, 49, 1, "tick")]);
    let work = &timeline.thread("life").slices[0];
    assert_eq!((work.from, work.to, &*work.name), (46_000, 52_000, "tidy"));
}

#[test]
fn r04_an_interrupt_is_not_the_interrupted_ones_doing() {
    let text = [
        line(1, 0, CREATOR, "d.h1.", "sched_waking: comm=life pid=9 prio=120 target_cpu=000"),
        line(2, 0, CREATOR, ".....", &switch(CREATOR, "S", NEWBORN)),
    ];
    let timeline = timeline(&text.concat());
    assert_eq!((timeline.arrows[0].cause, timeline.arrows[0].waker), (Cause::Interrupt, None));
}

#[test]
fn r04_who_was_woken_on_its_way_to_sleep_did_not_sleep() {
    let text = [
        line(1, 0, CREATOR, ".....", &switch(CREATOR, "R", NEWBORN)),
        line(2, 1, MAKER, ".....", "sched_waking: comm=life pid=9 prio=120 target_cpu=000"),
        line(3, 1, MAKER, ".....", "sched_wakeup: comm=life pid=9 prio=120 target_cpu=000"),
        line(4, 0, NEWBORN, ".....", &switch(NEWBORN, "S", CREATOR)),
        line(6, 0, CREATOR, ".....", &switch(CREATOR, "S", NEWBORN)),
        line(7, 0, NEWBORN, ".....", &switch(NEWBORN, "S", IDLE)),
    ];
    let timeline = timeline(&text.concat());
    let expected = [(1, 4, State::Running(0)), (4, 6, State::Runnable), (6, 7, State::Running(0))];
    assert_eq!(spans(timeline.thread("life")), expected);
}

#[test]
fn r04_what_is_missing_is_unknown() {
    let text = [
        line(1, 0, CREATOR, ".....", &switch(CREATOR, "S", NEWBORN)),
        // How the newborn left is missing, and who ran next.
        line(5, 0, MAKER, ".....", &switch(MAKER, "S", CREATOR)),
        line(7, 0, CREATOR, ".....", &switch(CREATOR, "S", IDLE)),
        "CPU:0 [LOST 3 EVENTS]\n".to_owned(),
    ];
    let timeline = timeline(&text.concat());
    assert_eq!((timeline.lost, timeline.odd), (3, 1));
    assert_eq!(spans(timeline.thread("life")), [(1, 5, State::Running(0))]);
    assert_eq!(
        spans(timeline.thread("init")),
        [(1, 5, State::Sleeping), (5, 7, State::Running(0))]
    );
}

#[test]
fn r04_a_number_that_is_used_again_is_another_thread() {
    let fork = "sched_process_fork: comm=kthreadd pid=2 child_comm=other child_pid=9";
    let text = a_life() + &line(120, 0, MAKER, ".....", fork);
    let timeline = timeline(&text);
    assert_eq!(timeline.threads.iter().filter(|thread| thread.pid == 9).count(), 2);
    assert!(timeline.thread("life").ended.is_some() && timeline.thread("other").ended.is_none());
}

#[test]
fn r04_a_part_of_a_timeline_is_cut_to_it() {
    let part = timeline(&a_life()).within(42_000, 62_000);
    assert_eq!(
        spans(part.thread("life")),
        [(42, 45, State::Runnable), (45, 60, State::Running(0)), (60, 62, State::Sleeping)]
    );
    assert_eq!((part.from, part.to, part.arrows.len()), (42_000, 62_000, 0));
    check(&part);
}

/// At each moment a CPU has one occupant and a thread is in one state, and both say the same of who runs where.
fn check(timeline: &Timeline) {
    let mut on_cpus = vec![0; timeline.threads.len()];
    for cpu in &timeline.cpus {
        let mut end = 0;
        for run in &cpu.runs {
            assert!(run.from >= end && run.from < run.to, "a CPU with two occupants: {run:?}");
            end = run.to;
            if let Some(thread) = run.thread {
                on_cpus[thread] += run.to - run.from;
            }
        }
        check_slices(&cpu.slices);
    }
    for (thread, on_cpus) in timeline.threads.iter().zip(on_cpus) {
        let (mut end, mut running) = (thread.spans.first().map_or(0, |span| span.from), 0);
        for span in &thread.spans {
            assert!(span.from >= end && span.from < span.to, "two states at once: {thread:?}");
            end = span.to;
            if matches!(span.state, State::Running(_)) {
                running += span.to - span.from;
            }
        }
        assert_eq!(running, on_cpus, "{} runs where no CPU runs it", thread.label());
        check_slices(&thread.slices);
    }
    for arrow in &timeline.arrows {
        assert!(arrow.from <= arrow.to);
    }
}

/// What becomes of it is a file as viewers want it.
fn check_file(timeline: &Timeline) {
    let file = serde_json::from_str(&chrome::json(timeline, "chance")).unwrap();
    schema::check(&file).unwrap();
}

/// Each lies inside of the one that it is deeper than.
fn check_slices(slices: &[Slice]) {
    let mut outer: Vec<&Slice> = Vec::new();
    for slice in slices {
        outer.truncate(slice.depth);
        assert_eq!(outer.len(), slice.depth, "{slice:?} is inside of nothing");
        if let Some(around) = outer.last() {
            assert!(around.from <= slice.from && slice.to <= around.to, "{slice:?} in {around:?}");
        }
        outer.push(slice);
    }
}

/// What a small scheduler may do next.
#[derive(Clone, Debug)]
enum Step {
    Switch { cpu: usize, to: usize, state: usize },
    Wake { cpu: usize, task: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3usize, 0..8usize, 0..4usize).prop_map(|(cpu, to, state)| Step::Switch {
            cpu,
            to,
            state
        }),
        (0..3usize, 0..8usize).prop_map(|(cpu, task)| Step::Wake { cpu, task }),
    ]
}

const LETTERS: [&str; 4] = ["R+", "S", "D", "P"];

/// What such a scheduler writes, and for how many microseconds each task ran.
fn simulate(steps: &[Step]) -> (String, [u64; 9]) {
    // Task 0 is idle; the others sleep, wait or run on a CPU.
    let mut running = [0usize; 3];
    let mut since = [0u64; 3];
    let mut awake = [false; 9];
    let mut used = [0; 9];
    let mut text = String::new();
    let mut last = 0;
    let name = |task: usize| if task == 0 { "idle" } else { "task" };
    let pid = |task: usize| if task == 0 { 0 } else { 10 + task as u32 };
    for (time, step) in (10..).zip(steps) {
        let (cpu, what) = match *step {
            Step::Switch { cpu, to, state } => {
                let from = running[cpu];
                if from == to || (to != 0 && (!awake[to] || running.contains(&to))) {
                    continue;
                }
                awake[from] = state == 0;
                used[from] += time - since[cpu];
                (running[cpu], since[cpu]) = (to, time);
                let (from, to) = ((name(from), pid(from)), (name(to), pid(to)));
                text += &line(time, cpu, from, ".....", &switch(from, LETTERS[state], to));
                last = time;
                continue;
            }
            Step::Wake { task: 0, .. } => continue,
            Step::Wake { task, .. } if awake[task] => continue,
            Step::Wake { cpu, task } => {
                awake[task] = true;
                (cpu, format!("sched_wakeup: comm=task pid={} prio=120 target_cpu=000", pid(task)))
            }
        };
        let here = running[cpu];
        text += &line(time, cpu, (name(here), pid(here)), ".....", &what);
        last = time;
    }
    for (task, since) in running.into_iter().zip(since) {
        used[task] += last.saturating_sub(since);
    }
    (text, used)
}

proptest! {
    #[test]
    fn r04_states_add_up(steps in proptest::collection::vec(step(), 0..200)) {
        let (text, used) = simulate(&steps);
        let timeline = timeline(&text);
        check(&timeline);
        check_file(&timeline);
        prop_assert_eq!(timeline.odd, 0);
        for thread in &timeline.threads {
            let running = thread.spans.iter().filter(|span| matches!(span.state, State::Running(_)));
            let total: u64 = running.map(|span| span.to - span.from).sum();
            prop_assert_eq!(total, used[thread.pid as usize - 10] * 1000);
        }
    }

    #[test]
    fn r04_states_add_up_when_records_are_missing(
        steps in proptest::collection::vec(step(), 0..200),
        gaps in proptest::collection::vec(any::<bool>(), 200),
    ) {
        let (text, _) = simulate(&steps);
        let kept = text.lines().zip(gaps).filter(|(_, kept)| *kept);
        let timeline = timeline(&kept.map(|(line, _)| format!("{line}\n")).collect::<String>());
        check(&timeline);
        check_file(&timeline);
    }
}
