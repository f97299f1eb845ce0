//! What the kernel is given may be wrong: it says so and ends, and does not hang.

use super::Case;
use crate::build::programs::Program;
use crate::guest::cpio;
use crate::guest::initramfs::{self, Additions};
use crate::guest::order::Order;
use crate::guest::tree::Tree;
use crate::machine::options::Board;
use crate::test::guest::lab::Lab;
use anyhow::{Context, Result};

/// The tests.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("an_initramfs_that_is_cut_short", an_initramfs_that_is_cut_short),
        Case::new("an_initramfs_that_is_none", an_initramfs_that_is_none),
        Case::new("no_init_at_all", no_init_at_all),
        Case::new("b3_an_init_that_is_missing", an_init_that_is_missing),
        Case::new("b3_an_init_that_crashes", an_init_that_crashes),
        Case::new("b3_an_init_that_is_no_program", an_init_that_is_no_program),
        Case::new("too_little_memory", |lab| too_little_memory(lab, Board::Microvm)),
        Case::new("too_little_memory_on_q35", |lab| too_little_memory(lab, Board::Q35)),
        Case::new("an_unknown_parameter_is_named", an_unknown_parameter_is_named),
    ]
}

fn an_initramfs_that_is_cut_short(lab: &Lab) -> Result<()> {
    let whole = initramfs::pack(&Additions::default(), &Order::default())?;
    // In the middle of the init program: what comes before it is not enough to start with.
    let name =
        whole.windows(5).position(|bytes| bytes == b"init\0").context("there is no init in it")?;
    let cut = whole[..name + 1000].to_vec();
    lab.guest().archive(cut).seconds(300).run(&[])?.panic("nitramfs").map(drop)
}

fn an_initramfs_that_is_none(lab: &Lab) -> Result<()> {
    lab.guest()
        .archive(b"no archive at all".to_vec())
        .seconds(300)
        .run(&[])?
        .panic("nitramfs")
        .map(drop)
}

fn no_init_at_all(lab: &Lab) -> Result<()> {
    let empty = cpio::archive(&Tree::new());
    lab.guest().archive(empty).seconds(300).run(&[])?.panic("No working init found").map(drop)
}

fn an_init_that_is_missing(lab: &Lab) -> Result<()> {
    lab.guest().append("rdinit=/no/such").seconds(300).run(&[])?.panic("/no/such").map(drop)
}

fn an_init_that_crashes(lab: &Lab) -> Result<()> {
    // Its default fault is writing through a null pointer: signal 11.
    lab.guest()
        .with(Program::Faults)?
        .append("rdinit=/bin/faults")
        .seconds(300)
        .run(&[])?
        .panic("Attempted to kill init! exitcode=0x0000000b")
        .map(drop)
}

fn an_init_that_is_no_program(lab: &Lab) -> Result<()> {
    lab.guest().append("rdinit=/etc/passwd").seconds(300).run(&[])?.panic("/etc/passwd").map(drop)
}

fn too_little_memory(lab: &Lab, board: Board) -> Result<()> {
    lab.guest()
        .board(board)
        .memory(8)
        .seconds(300)
        .run(&["true"])?
        .status(2)?
        .logged("not enough memory")
        .map(drop)
}

fn an_unknown_parameter_is_named(lab: &Lab) -> Result<()> {
    lab.guest()
        .append("no_such_parameter=1")
        .seconds(300)
        .run(&["true"])?
        .status(2)?
        .logged("unknown kernel parameter \"no_such_parameter=1\"")
        .map(drop)
}
