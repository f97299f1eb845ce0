//! Batches of seeds: nothing is left out, and the lowest failing seed is the one reported.

mod common;

use machine_sim::sim::{self, Batch, Config, run_batch};

fn config(seed: u64) -> Config {
    Config { seed, ..Config::default() }
}

#[test]
fn every_seed_is_run_once() {
    for jobs in [1, 3, 50] {
        let batch = Batch { first: 10, count: 20, jobs };
        let totals = run_batch(batch, &config, &|| (), &mut |_| ()).expect("all pass");
        assert_eq!(totals.runs, 20);
    }
}

#[test]
fn the_lowest_failing_seed_is_reported() {
    for jobs in [1, 2, 4] {
        let batch = Batch { first: 100, count: 50, jobs };
        let entry = || {
            if [117, 122, 123, 148].contains(&sim::seed()) {
                sim::fail(&format!("seed {}", sim::seed()))
            }
        };
        let failure = run_batch(batch, &config, &entry, &mut |_| ()).expect_err("four fail");
        assert_eq!((failure.seed, &*failure.message), (117, "seed 117"));
    }
}
