//! Scenarios: whole stories of the kernel's threads, told once and run on every machine.
//!
//! On the simulated machine each runs over many seeds, in a kernel that nobody has used before; in the image they run one after the other in the
//! kernel under test. A scenario is a function in a kernel thread; it fails by panicking. Around it the harness counts what is alive,
//! and a task, a thread's record or a request that is left over fails it, too.
//!
//! A scenario's name begins with the requirement that it shows.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod barrier;
mod census;
mod cgroups;
mod create;
mod dates;
mod deadline_changes;
#[cfg(not(target_os = "none"))]
mod deadline_spread;
mod deadlines;
mod failure;
mod freeze;
mod harness;
mod hotplugging;
mod inheritance;
#[cfg(not(target_os = "none"))]
mod inversion;
mod killed;
#[cfg(target_os = "none")]
mod large_pages;
mod lazy_tlb;
mod lockup_windows;
mod lockups;
mod migration;
mod misc;
mod park;
mod placement;
mod schedule;
mod softirq_windows;
mod softirqs;
mod stop;
mod taints;
mod tasklet_windows;
mod tasklets;
mod timer_windows;
mod timers;
mod tools;
mod trimming;
#[cfg(target_os = "none")]
mod user_mode;
mod waits;
mod watcher_windows;
mod watchers;
mod work;
mod workqueue;

pub use harness::{boot_and_run, run_all};

/// A story with a name.
#[derive(Debug)]
pub struct Scenario {
    /// Starts with the requirement's number: `k05_stop_returns_the_result`.
    pub name: &'static str,
    /// What it shows, in a line.
    pub about: &'static str,
    /// The story. Runs in a kernel thread; a panic is a failure.
    pub run: fn(),
    /// It is run with one seed of so many: more than 1 for those that measure over long times,
    /// whose interleavings matter less, and for those of deferred work and the watchers, of which there are many.
    pub one_seed_in: u64,
}

/// Writes a table of scenarios: name, one seed in how many if not each, what it shows, function.
macro_rules! scenarios {
    ($($(#[$condition:meta])? $name:ident $(/ $seeds:literal)?: $about:literal = $run:path;)*) => {
        static ALL: &[Scenario] = &[
            $($(#[$condition])? Scenario {
                name: stringify!($name),
                about: $about,
                run: $run,
                one_seed_in: scenarios!(@seeds $($seeds)?),
            },)*
        ];
    };
    (@seeds) => {
        1
    };
    (@seeds $seeds:literal) => {
        $seeds
    };
}

scenarios! {
    b01_idle_is_pid_0 / 10: "each CPU's idle task is PID 0, named swapper/N, and not to be found" = misc::idle_is_pid_0;
    b02_pid_1_and_2: "PID 1 and kthreadd are where they belong" = misc::ancestors;
    b04_kthreadd_ignores_signals: "kthreadd makes threads after SIGKILL as before" = misc::kthreadd_ignores_signals;
    k01_no_run_before_wake: "a created thread does not run its function before it is woken" = create::no_run_before_wake;
    k01_a_hundred_creators / 4: "a hundred threads that each create one, at once" = create::a_hundred_creators;
    k02_run_creates_and_wakes / 4: "run creates and wakes; stop gives the result" = create::run_creates_and_wakes;
    k03_stacks_go_round / 4: "stacks of threads that end on another CPU than they are made on are used again" = create::stacks_go_round;
    k03_memory_from_the_node / 10: "stack memory comes from the node asked for" = create::memory_from_the_node;
    k04_bound_before_first_wake: "a thread bound before its first wake-up runs there from its first step" = create::bound_before_first_wake;
    k04_bound_as_a_program_moves_it: "a program does not take a thread from the CPUs that it is being bound to" = create::bound_as_a_program_moves_it;
    k05_stop_returns_the_result: "stop asks, waits and returns what the function returned" = stop::returns_the_result;
    k05_stop_of_an_unwoken_thread: "a thread stopped before it was woken never runs" = stop::of_an_unwoken_thread;
    k05_stop_against_first_wake: "stop right after the first wake-up, at any interleaving" = stop::against_first_wake;
    k05_stop_against_long_sleep: "stop of a thread that is about to sleep for long" = stop::against_long_sleep;
    k05_stop_against_natural_end: "stop of a thread that returns by itself at the same moment" = stop::against_natural_end;
    k05_a_waiter_takes_the_cpu: "a thread ends while one of a higher class waits for that on its CPU" = stop::waiter_takes_the_cpu;
    k05_stop_against_park: "stop of a thread that is being parked at the same moment" = stop::against_park;
    k06_park_and_unpark: "a parked thread does nothing until it is unparked" = park::park_and_unpark;
    k06_park_again_and_again: "park and unpark in quick turns never loses a wake-up" = park::again_and_again;
    k06_parked_by_a_real_time_thread: "who parks leaves the CPU to the one who is to park" = park::by_a_real_time_thread;
    k06_stop_of_a_thread_parked_from_the_start: "a thread stopped in its first parking place never runs" = park::stop_before_first_unpark;
    k06_park_against_hotplug: "per-CPU threads park and come back while the CPU goes and comes" = park::against_hotplug;
    k06_unparked_before_it_parks: "who waits for a thread to park does not wait when that is not wanted any more" = park::unparked_before_it_parks;
    k07_creator_killed_at_any_point: "a creator that is killed while it waits leaves nothing behind" = killed::at_any_point;
    k08_every_failure_reaches_the_creator: "each allocation on the way fails in turn, with the right error" = failure::every_point_in_turn;
    k08_allocations_fail_by_chance: "creators at work while any allocation may fail" = failure::by_chance;
    k09_signals_are_ignored_until_allowed / 4: "SIGKILL does nothing to a kernel thread; an allowed signal is pending" = misc::signals;
    k10_names / 20: "comm holds 15 bytes and the full name is kept" = misc::names;
    k11_freeze_and_thaw: "freezing stops freezable threads and no others; thawing lets them go on" = freeze::freeze_and_thaw;
    k11_freeze_against_create: "threads made during a freeze are frozen as well" = freeze::against_create;
    k11_freeze_against_park: "a frozen thread parks, and a parked one counts as frozen" = freeze::against_park;
    k11_thawed_on_its_way: "a thread that is on its way into the freezer as all are thawed goes on" = freeze::thawed_on_its_way;
    k11_freeze_of_who_waits: "threads that wait or sleep for long are frozen there" = freeze::who_waits;
    k13_daemonize / 4: "a thread made by kernel_thread moves under kthreadd" = misc::daemonize;
    k14_worker_does_its_work: "queue, flush, cancel, delay and destroy" = work::worker;
    k14_work_never_runs_twice_at_once: "work queued from everywhere runs one at a time" = work::never_twice_at_once;
    k14_delayed_work_against_cancel: "delayed work runs once, or its cancel says that it will not" = work::delayed_work_against_cancel;
    k14_delayed_work_started_again: "a cancel says what it took back, whatever fired before" = work::delayed_work_started_again;
    k14_work_that_panics / 4: "a worker that dies of its work blocks nobody" = work::panicking_work;
    k15_kthreads_stay_in_the_root: "kthreadd, threads that are not ready and bound threads cannot be moved; others can" = cgroups::kthreads_stay_in_the_root;
    k15_groups_against_everything: "fork, exit, moves, kills and removals of groups at the same moment" = cgroups::against_everything;
    k15_a_group_under_a_limit / 4: "limits of depth and number, and what is counted" = cgroups::limits;
    k16_a_panic_kills_one_thread / 4: "a thread that panics dies alone and its joiner learns of it" = misc::panic_dies_alone;
    k16_an_oops_taints_the_kernel / 4: "reports show what was wrong before, and an oops and a warning are part of that from then on" = taints::reports_show_what_was_wrong_before;
    #[cfg(not(target_os = "none"))]
    k16_oops_limit / 4: "so many oopses end the kernel" = taints::oops_limit;
    #[cfg(not(target_os = "none"))]
    k16_warn_limit / 4: "so many warnings end the kernel" = taints::warn_limit;
    #[cfg(not(target_os = "none"))]
    k16_panic_on_warn / 4: "a warning ends the kernel, if that is wanted" = taints::panic_on_warn;
    #[cfg(not(target_os = "none"))]
    k16_panic_on_taint / 4: "a taint that is not wanted ends the kernel" = taints::panic_on_taint;
    #[cfg(not(target_os = "none"))]
    w06_a_drained_queue_warns_once / 4: "work that a drained queue does not take is a warning, once" = taints::drained_queue_warns_once;
    k16_a_panic_in_a_system_call / 4: "a user task whose system call panics dies alone" = misc::panic_in_a_system_call;
    k17_wait_until_asked / 4: "a daemon sleeps until there is work" = misc::wait_until_asked;
    k17_every_so_often / 4: "a daemon runs once a period" = misc::every_so_often;
    c07_membarrier_reaches_who_runs_the_program / 10: "a barrier interrupts the CPUs that have the address space loaded, and no others" = barrier::reaches_who_runs_it;
    k18_use_mm: "a kernel thread works in a user address space for a while" = misc::use_mm;
    s01_classes_in_order / 4: "stop before real time before fair" = schedule::classes_in_order;
    s01_weights / 20: "nice 0 and nice 5 share a CPU by their weights" = schedule::weights;
    s01_attributes_against_switches: "attributes that change while tasks switch, wake and move" = schedule::attributes_against_switches;
    s01_round_robin / 20: "round-robin tasks take turns, FIFO ones do not" = schedule::round_robin;
    s01_rt_throttling / 20: "a real-time spinner leaves 5 % to the others" = schedule::rt_throttling;
    s01_deadline_order: "deadline tasks run before all others, the earliest deadline first" = deadlines::order;
    #[cfg(not(target_os = "none"))]
    s01_deadline_budget / 20: "a deadline spinner gets its runtime in each period and no more, and is back when the next begins" = deadlines::budget;
    s01_deadline_yields / 4: "one that yields gives up the rest of its period" = deadlines::yields;
    #[cfg(not(target_os = "none"))]
    s01_deadline_leaves_the_rest / 40: "beside deadline and real-time spinners a fair one gets 5 %" = deadlines::leave_the_rest;
    #[cfg(not(target_os = "none"))]
    s01_deadline_met_by_all / 20: "one periodic task more than CPUs, and all deadlines are met" = deadlines::deadlines_are_met;
    #[cfg(not(target_os = "none"))]
    s01_deadline_waiting_is_pulled / 10: "a CPU that gets free takes the deadline task that waits elsewhere" = deadline_spread::waiting_one_is_pulled;
    #[cfg(not(target_os = "none"))]
    s01_deadline_idle_takes_it / 10: "an idle CPU takes a deadline task that would wait for a more urgent one" = deadline_spread::idle_one_takes_it;
    #[cfg(not(target_os = "none"))]
    s01_deadline_pushed_by_interrupt: "one that loses its CPU while no tick can see it is taken by another CPU at once" = deadline_spread::pushed_by_interrupt;
    #[cfg(not(target_os = "none"))]
    s01_deadline_back_before_others: "one that is throttled for a short time does not wait for one that is for long" = deadline_changes::back_before_others;
    #[cfg(not(target_os = "none"))]
    s01_deadline_between_ticks / 4: "a budget shorter than a tick ends when it is used up" = deadline_changes::budget_between_ticks;
    s01_deadline_cut_and_ended: "less runtime cuts what is left, and nobody comes into the class after its end" = deadline_changes::cut_and_ended;
    #[cfg(not(target_os = "none"))]
    s01_deadline_cut_while_it_runs / 10: "less runtime counts at once for one that runs" = deadline_changes::cut_while_it_runs;
    s01_deadline_comes_back_fresh: "one that leaves while it waits comes back with a new deadline" = deadline_changes::comes_back_fresh;
    #[cfg(not(target_os = "none"))]
    s01_deadline_leaves_while_it_runs: "what one has run since the last look counts when it leaves" = deadline_changes::leaves_while_it_runs;
    s01_deadline_against_affinity: "one comes into the class while it is bound: one of the two is refused" = deadline_changes::against_affinity;
    s01_deadline_admission: "what is admitted, what is refused, and when bandwidth is there again" = deadlines::admission;
    s01_deadline_against_hotplug / 4: "a CPU goes only if what was promised can be kept, and throttled tasks go on elsewhere" = deadlines::against_hotplug;
    s01_deadline_against_everything: "tasks come into the class and leave it at any moment, and no bandwidth is lost" = deadlines::against_everything;
    s01_pi_chain_of_three: "what a waiter lends goes through a chain of three, and is taken back link by link" = inheritance::chain_of_three;
    s01_pi_waiters_give_up: "a time-out and a signal take back what was lent" = inheritance::waiters_give_up;
    s01_pi_deadlock_is_found: "who would close a ring is refused, and only one is" = inheritance::deadlock_is_found;
    s01_pi_holder_ends: "what a task holds at its end goes to the most urgent" = inheritance::holder_ends;
    s01_pi_urgency_changes: "attributes that change while one waits, or is lent more" = inheritance::urgency_changes;
    s01_pi_stolen: "one more urgent comes before who was granted it and has not run" = inheritance::stolen;
    #[cfg(not(target_os = "none"))]
    s01_pi_no_inversion / 4: "one in the middle does not keep an urgent one waiting" = inversion::none;
    #[cfg(not(target_os = "none"))]
    s01_pi_deadline_is_lent / 4: "who holds what a deadline task waits for runs with its parameters, and is not throttled" = inversion::deadline_is_lent;
    s01_pi_against_everything: "taken in any order, with time-outs, while attributes change" = inheritance::against_everything;
    s02_a_spinner_starves_nobody: "a CPU-hungry thread shares with its class" = schedule::spinner_starves_nobody;
    s03_affinity_moves_a_running_thread: "set_allowed moves a running thread and returns when it has moved" = migration::moves_a_running_thread;
    s03_affinity_moves_what_is_on_its_way: "tasks that are being woken or pulled do not escape set_allowed" = migration::moves_what_is_on_its_way;
    s03_affinity_moves_what_is_being_preempted: "a task is not taken to another CPU while its own leaves its stack" = migration::moves_what_is_being_preempted;
    s04_who_asks_a_bound_thread_stays: "who waits for a per-CPU thread is not sent from CPU to CPU" = schedule::who_asks_a_bound_thread_stays;
    s04_who_makes_way_is_followed: "tasks that wake each other and sleep stay on one CPU, and interrupt no other" = placement::who_makes_way_is_followed;
    s04_who_waits_for_an_end_follows: "a parent that waits for its child's end goes on where the child has ended" = placement::who_waits_for_an_end_follows;
    s04_no_place_where_another_waits: "where another waits, the woken one goes to an idle CPU, though its waker makes way" = placement::no_place_where_another_waits;
    s04_who_stays_gives_the_other_away: "a waker that was to make way and does not: an idle CPU takes the woken one" = placement::who_stays_gives_the_other_away;
    s04_who_waits_for_an_idle_cpu_is_taken: "a CPU without work takes what waits for one that has not left its rest" = placement::who_waits_for_an_idle_cpu_is_taken;
    s04_idle_cpus_take_work: "waiting threads spread over idle CPUs" = schedule::idle_cpus_take_work;
    s05_migrate_against_exit: "moving threads that end at the same moment" = migration::against_exit;
    s05_stop_machine: "stop_machine runs while all other CPUs stand still" = migration::stop_machine;
    s06_hotplug_under_load: "CPUs go and come under load, and nothing is lost" = hotplugging::under_load;
    s06_a_cpu_that_goes_is_no_choice / 4: "a program cannot choose a CPU that is about to go" = hotplugging::a_cpu_that_goes_is_no_choice;
    s07_lazy_tlb: "a kernel thread borrows the address space; A, kernel, A costs no switch" = lazy_tlb::costs_no_switch;
    s07_borrowers_are_left_alone: "no flush interrupts a CPU that borrows, and it sees what has changed when it goes on" = lazy_tlb::borrowers_are_left_alone;
    d01_hung_task_is_reported_once / 4: "a task that sleeps too long in state D is reported with its backtrace, once an interval" = watchers::hung_task_is_reported_once;
    d01_sleep_that_is_right / 4: "short sleeps, other sleeps, and a timeout of 0 are not reported" = watchers::sleep_that_is_right_is_not_reported;
    d01_warnings_are_counted / 4: "hung_task_warnings limits the reports" = watchers::warnings_are_counted;
    #[cfg(not(target_os = "none"))]
    d01_interval_count_and_backtraces / 10: "hung_task_check_interval_secs, hung_task_check_count and hung_task_all_cpu_backtrace" = watchers::interval_count_and_backtraces;
    #[cfg(not(target_os = "none"))]
    d01_long_run_is_no_sleep / 20: "one that has run for long and falls asleep is not reported" = watcher_windows::long_run_is_no_sleep;
    d01_on_its_way_is_not_asleep / 20: "one that is preempted on its way to sleep is not reported" = watcher_windows::on_its_way_is_not_asleep;
    d01_settings_change_during_a_look / 4: "a timeout that is set during a look counts" = watcher_windows::settings_change_during_a_look;
    d02_soft_lockup / 10: "a CPU that does not switch is reported with its backtrace, once" = lockups::soft_lockup_is_reported;
    d02_busy_is_no_lockup / 20: "a busy CPU, one stuck for less than the limit, and one that says so are not reported" = lockups::busy_cpu_is_no_lockup;
    d02_hard_lockup / 4: "a CPU that takes no interrupts is reported by another" = lockups::hard_lockup_is_reported;
    d02_lockup_out_of_rest / 4: "all rest, and one CPU gets stuck at once" = lockup_windows::lockup_out_of_rest;
    d02_softirq_out_of_rest / 4: "all rest, and a softirq on top of an idle task does not end" = lockup_windows::softirq_out_of_rest;
    d02_lockup_as_its_watcher_looks / 4: "a CPU gets stuck just when its watcher is about to rest" = lockup_windows::lockup_as_its_watcher_looks;
    d02_lockup_as_its_cpu_comes / 4: "a CPU that comes is watched at once" = lockup_windows::lockup_as_its_cpu_comes;
    d02_watcher_goes_during_a_lockup / 4: "a lockup is reported once, whoever watches" = lockup_windows::watcher_goes_during_a_lockup;
    d02_left_out_is_not_reported / 10: "CPUs that are not watched, or not there, are not reported" = lockup_windows::left_out_is_not_reported;
    d02_each_watch_alone / 20: "the two watches are turned on and off one by one, and show what all CPUs do" = lockup_windows::each_watch_alone;
    #[cfg(not(target_os = "none"))]
    d02_idle_cpus_are_not_woken / 4: "the watch costs an idle machine no interrupts" = lockups::idle_cpus_are_not_woken;
    d02_watch_against_hotplug / 20: "CPUs go and come, settings change, and the watch goes on" = lockups::watch_against_hotplug;
    #[cfg(not(target_os = "none"))]
    d01_hung_task_panic / 4: "hung_task_panic ends the kernel" = watchers::hung_task_panic;
    #[cfg(not(target_os = "none"))]
    d02_softlockup_panic / 10: "softlockup_panic ends the kernel" = lockups::softlockup_panic;
    #[cfg(not(target_os = "none"))]
    d02_hardlockup_panic / 4: "hardlockup_panic ends the kernel" = lockups::hardlockup_panic;
    w04_a_blocked_worker_is_replaced / 4: "an item that blocks makes way for the one it waits for" = self::workqueue::pools::blocked_worker_is_replaced;
    w04_one_runs_at_a_time / 4: "items that do not block do not share their CPU" = self::workqueue::pools::one_runs_at_a_time;
    w04_one_goes_on_after_a_block / 4: "a worker that goes on after a block does not share its CPU" = self::workqueue::windows::one_goes_on_after_a_block;
    w04_busy_items_run_at_once / 4: "unbound items, and those of a CPU that is gone, run at once without blocking" = self::workqueue::windows::busy_items_run_at_once;
    w04_unbound_items_run_at_once / 4: "unbound items run as many at once as there are" = self::workqueue::pools::unbound_run_at_once;
    w04_workers_come_and_go / 4: "workers are made for items that block, and go when they are idle for long" = self::workqueue::pools::workers_come_and_go;
    w04_a_cpu_goes_with_work / 4: "what is queued on a CPU that goes is done elsewhere" = self::workqueue::pools::cpu_goes_with_work;
    w04_workers_join_while_their_cpu_goes / 4: "workers that are made while their CPU goes are bound to it when it is back" = self::workqueue::windows::workers_join_while_their_cpu_goes;
    w04_a_stall_is_reported / 20: "a pool that begins nothing for long is reported" = self::workqueue::pools::stall_is_reported;
    w04_progress_is_no_stall / 20: "a pool that goes on is not reported" = self::workqueue::windows::progress_is_no_stall;
    w05_names / 4: "workers bear their CPU or pool, and the queue they work for" = self::workqueue::pools::names;
    w06_never_twice_at_once / 4: "an item queued everywhere at once runs once for each time it was taken" = self::workqueue::items::never_twice_at_once;
    w06_again_if_queued_while_running / 4: "an item queued while it runs runs again" = self::workqueue::items::again_if_queued_while_running;
    w06_an_item_queues_itself / 4: "queueing from inside itself" = self::workqueue::items::queues_itself;
    w06_queued_from_an_interrupt / 4: "timers queue items" = self::workqueue::items::from_an_interrupt;
    w06_items_come_back / 4: "cancelling gives the item back, and nothing runs it afterwards" = self::workqueue::items::come_back;
    w06_delayed_work / 4: "delays, changed delays, and none" = self::workqueue::items::delayed;
    w06_an_item_puts_itself_off / 4: "an item queues itself for later" = self::workqueue::items::puts_itself_off;
    w06_delayed_work_without_a_handle / 4: "delayed work is done though its handle is dropped" = self::workqueue::lifetimes::delayed_without_a_handle;
    w06_delayed_work_goes_in_a_task / 2: "an item is not dropped by the timer that it was cancelled on" = self::workqueue::lifetimes::not_dropped_by_its_timer;
    w06_delayed_work_outlives_its_queue / 4: "an item whose timer finds its queue ended goes in a task" = self::workqueue::lifetimes::outlives_its_queue;
    w06_a_queue_goes_with_its_item / 4: "a queue ends whose last owner is one of its own items" = self::workqueue::lifetimes::queue_goes_with_its_item;
    w06_an_item_goes_before_the_next / 4: "a worker drops what it has done before it begins what that may wait for" = self::workqueue::lifetimes::goes_before_the_next;
    w06_delayed_work_is_never_early / 4: "a timer that is started anew does not fire by its last start" = self::workqueue::windows::never_early;
    w06_an_item_that_panics / 4: "its worker dies alone, and nobody waits for it" = self::workqueue::items::panicking;
    w06_work_on_cpu / 4: "a function called on each CPU" = self::workqueue::items::work_on_cpu;
    #[cfg(not(target_os = "none"))]
    w06_an_item_returns_in_atomic / 20: "an item that leaves preemption or interrupts off ends the kernel by name" = self::workqueue::items::returns_in_atomic;
    w06_flush_waits_for_what_was_before / 4: "flush returns when all that was queued before is done" = self::workqueue::flush::what_was_before;
    w06_flush_waits_for_nothing_else / 4: "what is queued after a flush has begun is not waited for" = self::workqueue::flush::not_what_comes_after;
    w06_more_flushes_than_colours / 4: "eighteen flushes at once" = self::workqueue::flush::many_at_once;
    w06_flush_of_one_item / 4: "flushing an item waits for its present run" = self::workqueue::flush::one_item;
    w06_cancel_against_run_against_requeue / 4: "what was accepted is run once or taken back once" = self::workqueue::cancel::against_run_against_requeue;
    w06_cancel_against_a_timer / 4: "timers fire, are moved and cancelled at the same moment" = self::workqueue::cancel::against_a_timer;
    w06_cancelled_while_it_queues_itself / 4: "an item that queues itself while it is cancelled" = self::workqueue::windows::cancelled_while_it_queues_itself;
    w06_cancelled_while_it_changes_queues / 4: "taken from one queue of a pool and put into another while others take it" = self::workqueue::cancel::while_it_changes_queues;
    w06_max_active / 4: "no more of a queue's items at once than it says" = self::workqueue::queues::max_active;
    w06_ordered / 4: "an ordered queue runs one at a time, in order" = self::workqueue::queues::ordered;
    w06_work_goes_round / 4: "work goes to each CPU in turn, if that is wanted" = self::workqueue::queues::goes_round;
    w06_shown_queues / 4: "queues are shown as they come and go, and what is set of them acts" = self::workqueue::attributes::shown_queues;
    w06_attributes_take_the_next_items / 4: "what is queued after a change is done by other workers, what was before by those before" = self::workqueue::changes::take_the_next_items;
    w06_attributes_change_in_use / 4: "attributes change while items are queued, flushed, taken back and drained, and CPUs come and go" = self::workqueue::changes::change_in_use;
    w06_attributes_change_as_a_queue_ends / 4: "attributes change while a queue is destroyed" = self::workqueue::changes::change_as_a_queue_ends;
    w06_attributes_that_cannot_change / 4: "a change that fails anywhere leaves a queue as it was" = self::workqueue::changes::cannot_change;
    w06_changed_and_held_back / 4: "what is held back, frozen or limited in the workers of before goes on there" = self::workqueue::changes::held_back;
    w06_cpus_of_a_queue_go / 4: "a queue's workers are elsewhere while none of their CPUs is there" = self::workqueue::changes::cpus_go;
    w07_rescued_from_before_a_change / 4: "a rescuer finds what was queued before a change" = self::workqueue::changes::rescued_from_before;
    w04_unbound_cpus / 4: "unbound work keeps to the CPUs where it may be, from when that is set" = self::workqueue::attributes::unbound_cpus;
    w06_drain / 4: "drain waits for what items queue, and keeps others out" = self::workqueue::queues::drain;
    w06_destroy / 4: "destroy does what is queued, and leaves no thread" = self::workqueue::queues::destroy;
    w06_destroyed_while_timers_queue / 4: "timers queue on a queue that is being destroyed" = self::workqueue::windows::destroyed_while_timers_queue;
    w06_freezable / 4: "a freezable queue stands still in a freeze" = self::workqueue::queues::freezable;
    w06_made_in_a_freeze / 4: "a freezable queue that is made in a freeze stands still" = self::workqueue::windows::made_in_a_freeze;
    w06_cpu_intensive / 4: "an item that uses the CPU for long holds nobody up" = self::workqueue::queues::cpu_intensive;
    w06_blocks_in_a_series / 4: "an item blocks for one that is held back because others are not counted out yet" = self::workqueue::series::blocks_for_what_is_held_back;
    w06_flush_ends_in_a_series / 4: "a flush ends before what the worker comes to next" = self::workqueue::series::flush_ends_in_the_middle;
    w06_a_cpu_goes_in_a_series / 4: "what is held back runs beside an item whose CPU has gone" = self::workqueue::series::cpu_goes_in_the_middle;
    w06_one_dies_in_a_series / 4: "what was done before an item that panics is counted out" = self::workqueue::series::one_dies_in_the_middle;
    w06_taken_back_in_a_series / 4: "what waits behind an item is taken back at once" = self::workqueue::series::taken_back_in_the_middle;
    w06_blocks_for_the_next_in_hand / 4: "an item blocks for one that its worker has taken already" = self::workqueue::hand::blocks_for_the_next;
    w06_an_interrupt_takes_back / 4: "interrupts take back what the worker below them is about to begin" = self::workqueue::hand::an_interrupt_takes_back;
    w06_one_in_hand_still_runs / 4: "an item comes up that still runs elsewhere" = self::workqueue::hand::one_still_runs_elsewhere;
    w06_the_last_reference_waits_for_the_next / 4: "an item's end waits for the next one that its worker has" = self::workqueue::hand::the_last_reference_waits_for_the_next;
    w06_counted_out_by_another / 4: "a flush is told, whoever counts the last item out" = self::workqueue::hand::counted_out_by_another;
    w04_one_waits_behind_a_hog / 20: "what waits in a worker's hand makes for a stall" = self::workqueue::hand::one_waits_behind_a_hog;
    w06_one_does_not_wait_for_itself: "an item that waits for itself, its queue or its queue's end goes on" = self::workqueue::lifetimes::one_does_not_wait_for_itself;
    w06_the_rest_keeps_its_order / 4: "what is left in a worker's hand runs in order" = self::workqueue::hand::the_rest_keeps_its_order;
    #[cfg(not(target_os = "none"))]
    w04_busy_ones_are_shown / 20: "a stall is an emergency, and what queues and pools are at is shown as tools know it" = self::workqueue::reports::busy_ones_are_shown;
    w07_rescuers_are_shown / 4: "a rescuer at an item, its next call, and the pool's manager are shown" = self::workqueue::reports::rescuers_are_shown;
    w04_running_workers_say_what_they_are_at / 4: "warnings and oopses name the item that a worker was at" = self::workqueue::reports::running_workers_say_what_they_are_at;
    w04_interrupted_workers_say_what_they_are_at / 4: "a CPU that another asks names the item that its worker is at" = self::workqueue::reports::interrupted_workers_say_what_they_are_at;
    d01_hung_workers_say_what_they_are_at / 4: "a hung worker's report names its item" = self::workqueue::reports::hung_workers_say_what_they_are_at;
    w06_two_queues_take_turns / 4: "items of two queues on one CPU, and reports meanwhile" = self::workqueue::series::two_queues_take_turns;
    w06_first_worker_cannot_be_made / 4: "a queue that is made has a worker" = self::workqueue::windows::first_worker_cannot_be_made;
    w07_the_rescuer_goes_on / 4: "all workers block, none can be made, and the rescuer does it" = self::workqueue::rescuers::goes_on;
    w07_a_rescuer_ends_its_queue / 4: "the last owner of a queue is an item that its rescuer runs" = self::workqueue::rescuers::goes_with_its_queue;
    #[cfg(not(target_os = "none"))]
    w07_a_rescuers_item_returns_in_atomic / 20: "so does one that a rescuer runs" = self::workqueue::rescuers::returns_in_atomic;
    w07_a_rescuer_dies / 4: "an item that panics takes the rescuer along, and its queue gets another" = self::workqueue::rescuers::dies;
    w07_a_rescuer_dies_as_its_queue_ends / 4: "a queue that ends while it gets another rescuer leaves none" = self::workqueue::rescuers::dies_as_its_queue_ends;
    w07_rescued_in_one_go / 4: "what becomes active behind an item that is rescued is not left for the next call" = self::workqueue::rescuers::in_one_go;
    w07_rescued_again / 4: "as long as no worker can be made, the rescuer comes again" = self::workqueue::windows::rescued_again;
    w01_raised_from_everywhere / 4: "a softirq is served at the end of whatever kept it back" = softirqs::raised_from_everywhere;
    w01_raised_with_nobody_about / 4: "raised with interrupts off, a softirq needs no interrupt to be served" = softirq_windows::raised_with_nobody_about;
    w01_taken_over_with_nobody_about / 4: "what a CPU that goes leaves behind needs no interrupt to be served" = softirq_windows::taken_over_with_nobody_about;
    w01_softirqs_off_excludes_handlers / 4: "no handler comes into a section with softirqs off" = softirqs::softirqs_off_excludes_handlers;
    w01_a_storm_leaves_tasks_their_share / 20: "softirqs and tasklets that raise themselves leave a task its share" = softirqs::a_storm_leaves_tasks_their_share;
    w01_interrupts_come_into_a_storm / 20: "interrupts leave a storm to ksoftirqd, serve tasklets, and make way for tasks" = softirqs::interrupts_come_into_a_storm;
    w01_long_rounds_are_few / 20: "softirqs that take long are left to ksoftirqd after two milliseconds" = softirqs::long_rounds_are_few;
    w01_the_end_of_a_section_makes_way / 4: "who is woken with softirqs off has the CPU when they are on again" = softirqs::the_end_of_a_section_makes_way;
    w01_pending_against_hotplug / 4: "what is pending on a CPU that goes is served elsewhere" = softirqs::pending_against_hotplug;
    w01_raised_as_its_cpu_goes / 4: "what a CPU raises at its very end is served elsewhere, and not after it was dropped" = softirq_windows::raised_as_its_cpu_goes;
    w02_a_tasklet_runs_on_one_cpu / 4: "scheduled from everywhere, a tasklet runs once for each and never twice at once" = tasklets::a_tasklet_runs_on_one_cpu;
    w02_disable_and_kill_against_schedule / 4: "a disabled or killed tasklet does not run" = tasklets::disable_and_kill_against_schedule;
    w02_tasklets_against_hotplug / 4: "tasklets of a CPU that goes run elsewhere" = tasklets::tasklets_against_hotplug;
    w02_held_is_let_go / 4: "scheduled, found disabled and enabled at once, a tasklet runs" = tasklet_windows::held_is_let_go;
    w02_dropped_as_its_cpu_goes / 4: "a tasklet that is dropped while it is moved does not run" = tasklet_windows::dropped_as_its_cpu_goes;
    w02_dropped_while_it_is_held / 4: "a tasklet that is dropped while it turns out to be disabled does not run" = tasklet_windows::dropped_while_it_is_held;
    w02_dropped_does_not_run / 4: "a tasklet that is dropped while it waits does not run" = tasklet_windows::dropped_does_not_run;
    w02_killed_with_softirqs_off / 4: "a tasklet that cannot run by itself is run by who kills it" = tasklet_windows::killed_with_softirqs_off;
    w02_killed_as_it_is_scheduled / 4: "who kills a tasklet waits for no task that schedules it" = tasklet_windows::killed_as_it_is_scheduled;
    w03_never_early_never_lost / 4: "timers of both kinds fire once, not before their time" = timers::never_early_never_lost;
    w03_started_from_everywhere / 4: "a timer that several CPUs start runs on one at a time" = timers::started_from_everywhere;
    w03_cancel_sync_against_run / 4: "after cancel_sync a timer does not run, even if it starts itself" = timers::cancel_sync_outruns_a_timer_that_starts_itself;
    w03_timers_against_hotplug / 4: "timers of a CPU that goes fire elsewhere" = timers::against_hotplug;
    w03_trimmed_clock_never_goes_back: "a clock that is made faster and slower is never behind what anybody has seen, and timers are not early" = trimming::never_goes_back;
    w03_timers_go_by_the_trimmed_clock / 20: "timers and sleeps go by a clock that is a tenth too fast or too slow" = trimming::timers_go_by_it;
    #[cfg(not(target_os = "none"))]
    w03_the_tick_does_not_go_by_the_trimmed_clock / 20: "the scheduler's timers come in time though the clock is far behind its own" = trimming::the_tick_does_not_go_by_it;
    w03_offsets_are_made_good_for / 20: "adjtime and the phase-locked loop make good for what they are told" = trimming::offsets_are_made_good_for;
    w03_leap_seconds / 20: "the last second of a day comes twice or not at all, and timers on the date follow" = trimming::leap_seconds;
    w03_a_leap_second_of_a_date_that_is_set / 20: "a leap second of a date that is set back to just before it comes" = trimming::a_leap_second_of_a_date_that_is_set;
    w03_a_second_left_out_does_nothing / 20: "of what adjtime wants, a second that is left out takes nothing" = trimming::a_second_left_out_does_nothing;
    w03_date_timers_follow / 4: "timers on the date wait while others set it: none is early, none is lost" = dates::timers_follow;
    w03_date_jumps / 10: "a jump of the date lets timers on it fire, or wait on, and no others" = dates::jumps;
    w03_date_set_back_at_the_last_moment / 4: "a date that is set back as a timer comes: it is not early" = dates::set_back_at_the_last_moment;
    w03_date_timer_cancelled_as_it_starts_itself / 4: "cancel_sync outruns a timer on the date that starts itself" = dates::cancelled_as_it_starts_itself;
    w03_date_timer_started_as_the_date_is_set / 10: "a timer that is moved as the date is set comes by the new date" = dates::started_as_the_date_is_set;
    w03_waits_follow_the_date / 10: "who waits for a date waits as long as it takes" = dates::waits_follow;
    w03_started_under_its_functions_lock / 4: "starting a timer does not wait for its function" = timer_windows::started_under_its_functions_lock;
    w03_started_as_its_function_ends / 4: "a timer that is started as its function ends elsewhere comes in time" = timer_windows::started_as_its_function_ends;
    w03_cancelled_as_it_starts_itself / 4: "another CPU's cancel_sync is not deceived by a timer that starts itself" = timer_windows::cancelled_as_it_starts_itself;
    w03_a_cpu_goes_with_a_timer / 4: "a timer fires in time though its CPU has gone and nothing else goes on" = timer_windows::a_cpu_goes_with_a_timer;
    #[cfg(not(target_os = "none"))]
    w03_due_as_their_cpu_goes / 4: "timers that are due when their CPU has gone come in time" = timer_windows::due_as_their_cpu_goes;
    #[cfg(not(target_os = "none"))]
    w03_a_short_period_leaves_time / 20: "a timer that is always due leaves its CPU half of the time" = timer_windows::a_short_period_leaves_time;
    w03_idle_cpus_are_left_alone / 20: "with nothing to do there is no tick" = timers::idle_cpus_are_left_alone;
    sync_wait_queue_loses_no_wake_up: "wakers and sleepers on one queue" = work::wait_queue;
    sync_wait_without_a_queue_loses_no_wake_up: "a sleeper whom others know by name" = work::wait_to_be_woken;
    sync_mutex_excludes: "a mutex under contention" = work::mutex;
    sync_rw_semaphore_excludes: "one writer or many readers" = work::rw_semaphore;
    sync_rw_semaphore_is_fair: "a stream of readers holds up no writer, and the other way round" = work::rw_semaphore_is_fair;
    sync_completion_counts: "completions are handed over one by one" = work::completion;
    sync_completion_against_deadlines: "events and deadlines at the same moment: none is lost" = waits::completion_against_deadlines;
    sync_the_woken_one_passes_on: "a wake-up that somebody did not need goes to the next" = waits::the_woken_one_passes_on;
    #[cfg(target_os = "none")]
    machine_traps: "what a program may not do comes back as the right trap" = user_mode::traps;
    #[cfg(target_os = "none")]
    machine_system_calls: "numbers, arguments, results, restarting and copying" = user_mode::system_calls;
    #[cfg(target_os = "none")]
    machine_floating_point: "programs that take turns on a CPU keep their registers" = user_mode::floating_point;
    #[cfg(target_os = "none")]
    machine_selectors: "programs that take turns on a CPU keep the selectors of their segments" = user_mode::selectors;
    #[cfg(target_os = "none")]
    machine_signal_frames: "a signal frame brings the program back to where it was" = user_mode::signal_frames;
    #[cfg(target_os = "none")]
    machine_hostile_signal_frames: "frames that a program has overwritten harm only itself" = user_mode::hostile_signal_frames;
    #[cfg(target_os = "none")]
    machine_copies_from_any_address: "user copies take any address and never more than asked for" = user_mode::copies_from_any_address;
    #[cfg(target_os = "none")]
    machine_pages_of_a_space: "map, replace, protect, visit and unmap" = user_mode::pages_of_a_space;
    #[cfg(target_os = "none")]
    machine_a_run_of_pages: "pages that follow each other, mapped at once" = user_mode::a_run_of_pages;
    #[cfg(target_os = "none")]
    machine_tables_go_with_their_space: "the tables of address spaces that end" = user_mode::tables_go_with_their_space;
    #[cfg(target_os = "none")]
    machine_one_space_on_every_cpu: "no CPU uses a translation that is gone" = user_mode::one_space_on_every_cpu;
    #[cfg(target_os = "none")]
    machine_large_pages: "2 MiB mapped, split, replaced and removed, as a whole and in parts" = large_pages::as_a_whole_and_in_parts;
    #[cfg(target_os = "none")]
    machine_large_pages_go_with_their_space: "spaces that end with large pages in them" = large_pages::go_with_their_space;
    #[cfg(target_os = "none")]
    machine_large_pages_on_every_cpu: "no CPU uses a translation of a large page that is gone" = large_pages::one_space_on_every_cpu;
}

/// All scenarios, in order.
pub fn all() -> &'static [Scenario] {
    ALL
}
