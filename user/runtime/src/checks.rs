//! A program that is a list of checks.

use crate::println;

/// What was wrong.
pub type Outcome = core::result::Result<(), &'static str>;

/// Makes checks one after the other, up to the first that fails, and prints a line for each. Returns the program's exit status: 0
/// if all is as it should be, else 1.
pub fn run(checks: &[(&str, &dyn Fn() -> Outcome)]) -> i32 {
    for (name, check) in checks {
        if let Err(what) = check() {
            println!("{name}: {what}");
            return 1;
        }
        println!("{name}");
    }
    0
}
