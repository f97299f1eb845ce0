//! Programs from Debian 12, dynamically linked and as they are in the archive.

use super::Case;
use crate::test::guest::lab::Lab;
use anyhow::Result;

/// The tests.
pub fn cases() -> Vec<Case> {
    vec![Case::new("b5_ps_shows_the_family", ps_shows_the_family)]
}

fn ps_shows_the_family(lab: &Lab) -> Result<()> {
    let columns = "pid,ppid,cls,rtprio,ni,psr,stat,wchan:20,command";
    let outcome = lab.guest().packages(&["procps"]).run(&["ps", "-eo", columns])?.status(0)?;
    let rows: Vec<Vec<_>> =
        outcome.output().lines().map(|line| line.split_whitespace().collect()).collect();
    let expected = [
        ["1", "0", "TS", "-", "0", "0|1", "S", "-", "/init"],
        ["2", "0", "TS", "-", "0", "0|1", "S", "-", "[kthreadd]"],
        ["3", "2", "FF", "99", "-", "0", "S", "-", "[migration/0]"],
    ];
    let fits = |row: &Vec<&str>, wanted: &[&str; 9]| {
        row.len() == wanted.len()
            && row
                .iter()
                .zip(wanted)
                .all(|(word, wanted)| wanted.split('|').any(|one| one == *word))
    };
    let family = expected.iter().all(|wanted| rows.iter().any(|row| fits(row, wanted)));
    outcome.holds(family, "PID 1, kthreadd and migration/0 are not as on Linux").map(drop)
}
