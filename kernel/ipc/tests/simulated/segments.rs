//! Shared memory: a segment lives as long as somebody has it.

use std::sync::Arc;

use errno::Errno;
use ipc::permissions::Create;
use ipc::shared_memory::{self, Attachment, Segment};
use process::{credentials, current_process};
use vm::Backing;

use crate::harness::{Count, dawdle, fork, over_seeds, wait};

const CREATE: Create = Create { make: true, exclusive: false, mode: 0o600 };
const SIZE: usize = 3 * memory::PAGE_SIZE;

fn get(key: i32) -> Result<Arc<Segment>, Errno> {
    shared_memory::get(key, SIZE, CREATE, true, &credentials(), current_process().pid())
}

fn attach(segment: &Arc<Segment>) -> Result<Arc<Attachment>, Errno> {
    Attachment::new(segment.clone(), 6, &credentials(), current_process().pid())
}

/// Many make one for a key at once: it is one.
#[test]
fn c07_a_key_has_one_segment() {
    over_seeds(200, 3, || {
        let numbers = Count::default();
        for _ in 0..3 {
            let numbers = numbers.clone();
            fork(move || {
                dawdle();
                numbers.add(1 + get(5).unwrap().number() as u32);
            });
        }
        wait(3);
        let number = get(5).unwrap().number();
        assert_eq!(numbers.get(), 3 * (1 + number as u32));
        shared_memory::remove(number, &credentials()).unwrap();
    });
}

/// Removed while others attach and detach: who has got it keeps it, who comes too late is told, and the last takes it along.
#[test]
fn c07_a_segment_goes_with_its_last_attachment() {
    over_seeds(300, 3, || {
        let number = get(6).unwrap().number();
        for _ in 0..3 {
            fork(move || {
                dawdle();
                let attached = shared_memory::find(number).and_then(|segment| {
                    dawdle();
                    attach(&segment)
                });
                match attached {
                    Ok(attachment) => {
                        assert!(shared_memory::find(number).is_ok(), "attached to what is gone");
                        let mine = attachment.page(1).unwrap();
                        dawdle();
                        let child = attachment.for_child().unwrap();
                        drop(attachment);
                        dawdle();
                        assert_eq!(child.page(1).unwrap().number(), mine.number());
                    }
                    Err(error) => assert!([Errno::EINVAL, Errno::EIDRM].contains(&error)),
                }
            });
        }
        dawdle();
        shared_memory::remove(number, &credentials()).unwrap();
        assert_ne!(get(6).map(|other| other.number()), Ok(number));
        wait(3);
        assert_eq!(shared_memory::find(number).err(), Some(Errno::EINVAL));
        let other = get(6).unwrap().number();
        shared_memory::remove(other, &credentials()).unwrap();
    });
}
