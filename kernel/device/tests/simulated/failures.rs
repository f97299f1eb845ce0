//! Whatever runs out on the way: who asked learns of it, and nothing is left.

use errno::Errno;
use fault::{Plan, Point, When};

use crate::harness::{World, builder, over_seeds};

fn add() -> Result<device::Device, Errno> {
    builder(1).node_path("in/deep/1").attribute("more", kernfs::Attribute::new()).add()
}

#[test]
fn d4_every_failure_reaches_who_asked() {
    over_seeds(10, 2, || {
        let world = World::new();
        // The directories of the class stay.
        add().unwrap().remove();
        let before = world.census();
        for (point, error) in [
            (Point::Device, Errno::ENOMEM),
            (Point::KernelEntry, Errno::ENOMEM),
            (Point::Inode, Errno::ENOSPC),
        ] {
            for number in 1.. {
                fault::arm(Plan { point: Some(point), when: When::Nth(number) });
                let added = add();
                let failed = fault::disarm().failed;
                assert_eq!(added.as_ref().err().copied(), (failed != 0).then_some(error));
                let all_went_well = added.is_ok();
                if let Ok(device) = added {
                    device.remove();
                }
                assert_eq!(world.census(), before, "{} {number}", point.name());
                if all_went_well {
                    assert!(number > 1, "{} is not on the way", point.name());
                    break;
                }
            }
        }
    });
}
