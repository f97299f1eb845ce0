//! Failures on purpose, from which no scenario could come back: tests boot with `heddle.crash=`.

use core::hint::black_box;

use kthread::Builder;

/// Has a thread of the name `crash` fail in this way.
pub(crate) fn run(way: &str) {
    let failure = match way {
        "stack-overflow" => || i32::from(deeper(0) == 0),
        _ => {
            log::error!("heddle: no such failure: {way}");
            machine::power::exit(2);
        }
    };
    match Builder::new(format_args!("crash")).run(move |_| failure()) {
        Ok(thread) => log::error!("the thread survived: {:?}", thread.join()),
        Err(error) => log::error!("no thread to fail: {error}"),
    }
}

/// Calls itself until the stack is used up.
#[expect(unconditional_recursion, reason = "this is how a stack is used up")]
fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 32]);
    deeper(depth + 1) + black_box(frame)[0]
}
