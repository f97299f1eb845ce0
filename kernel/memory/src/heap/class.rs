//! The sizes that objects come in.

use core::alloc::Layout;

/// The size classes, in bytes: powers of two, and the sizes half-way between.
pub(super) const SIZES: [usize; CLASSES] =
    [8, 16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 8192];
/// How many there are.
pub(super) const CLASSES: usize = 18;

/// A size class, by its place in [`SIZES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Class(u8);

/// Sizes up to this are looked up in steps of 8; above, the classes are few.
const TABLE_LIMIT: usize = 1024;
const TABLE: [u8; TABLE_LIMIT / 8 + 1] = {
    let mut table = [0; TABLE_LIMIT / 8 + 1];
    let mut step = 0;
    while step < table.len() {
        let mut class = 0;
        while SIZES[class] < step * 8 {
            class += 1;
        }
        table[step] = class as u8;
        step += 1;
    }
    table
};

/// How many free objects of each class a CPU keeps at most.
const KEEP: [u32; CLASSES] = {
    let mut keep = [0; CLASSES];
    let mut class = 0;
    while class < CLASSES {
        keep[class] = match SIZES[class] {
            ..=256 => 64,
            257..=1024 => 32,
            _ => 8,
        };
        class += 1;
    }
    keep
};

impl Class {
    pub(super) const fn new(index: usize) -> Self {
        assert!(index < CLASSES);
        Self(index as u8)
    }

    /// The class for objects of a common layout; `None` if it is none: larger than [`TABLE_LIMIT`],
    /// or aligned to more than 16 bytes.
    #[inline(always)]
    pub(super) fn of_common(layout: Layout) -> Option<Self> {
        // Slabs start at page boundaries, so objects are aligned to the largest power of two that
        // divides their size. From 16 up all classes are multiples of 16.
        if layout.align() > 16 {
            return None;
        }
        // A layout's size is at most `isize::MAX`, so this does not overflow.
        TABLE.get((layout.size().max(layout.align()) + 7) >> 3).map(|&class| Self(class))
    }

    /// The class for objects of any layout; `None` if they are too large for a slab.
    #[inline]
    pub(super) fn of(layout: Layout) -> Option<Self> {
        Self::of_common(layout).or_else(|| Self::of_uncommon(layout))
    }

    #[cold]
    fn of_uncommon(layout: Layout) -> Option<Self> {
        (0..CLASSES)
            .find(|&class| {
                layout.size() <= SIZES[class] && SIZES[class].is_multiple_of(layout.align())
            })
            .map(Self::new)
    }

    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }

    /// The bytes that an object takes.
    pub(super) const fn size(self) -> usize {
        SIZES[self.index()]
    }

    /// The order of the blocks that are cut into objects: small ones, because a slab that is hardly
    /// used still takes its block.
    pub(super) const fn slab_order(self) -> usize {
        match self.size() {
            8192 => 1,
            _ => 0,
        }
    }

    /// How many free objects a CPU keeps at most.
    #[inline(always)]
    pub(super) const fn keep(self) -> u32 {
        KEEP[self.index()]
    }

    /// How many objects move between a CPU and the depot at a time.
    pub(super) const fn batch(self) -> u32 {
        self.keep() / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::PAGE_SIZE;

    const LARGEST: usize = SIZES[CLASSES - 1];

    #[test]
    fn every_layout_fits_its_class() {
        for size in 1..=LARGEST + 1 {
            for shift in 0..=13 {
                let align = 1 << shift;
                let layout = Layout::from_size_align(size, align).unwrap();
                let Some(class) = Class::of(layout) else {
                    assert!(size > LARGEST, "{layout:?} has no class");
                    continue;
                };
                assert!(class.size() >= size);
                // An object at any multiple of the class size is aligned, as slabs start at
                // multiples of a page…
                assert!(class.size() % align == 0, "{layout:?} in {}", class.size());
                // …or, above that, of their own size.
                if align > PAGE_SIZE {
                    assert_eq!(class.size(), PAGE_SIZE << class.slab_order());
                }
            }
        }
    }

    #[test]
    fn no_class_is_skipped() {
        for (index, &size) in SIZES.iter().enumerate() {
            let class = Class::of(Layout::from_size_align(size, 1).unwrap());
            assert_eq!(class, Some(Class::new(index)));
            let below = SIZES[..index].last().map_or(1, |&smaller| smaller + 1);
            assert_eq!(Class::of(Layout::from_size_align(below, 1).unwrap()), class);
        }
    }
}
