#![no_std]
#![no_main]
runtime::program!(main);
fn main(_: runtime::Arguments) -> i32 { runtime::println!("hi {}", 3); 7 }
