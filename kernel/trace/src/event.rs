//! Events and their switches.

use core::fmt;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicU8, Ordering};

use errno::Result;

use crate::control;

/// Bytes that Linux puts before an event's own fields, and that `format` counts offsets from.
pub(crate) const COMMON_SIZE: usize = 8;
/// The most bytes of an event's own fields.
pub(crate) const PAYLOAD_MAX: usize = 320;

/// A use of an event: its fields go into the rings.
const RECORDED: u8 = 1;
/// Somebody is called.
const OBSERVED: u8 = 2;
/// Whoever looks at a simulated run is told.
#[cfg(not(target_os = "none"))]
const TAPPED: u8 = 4;
/// Another event that happens at the same place has a use.
const FOLLOWED: u8 = 8;

/// The fields of an event, with how they are stored and shown.
pub trait Record: Sized {
    /// The text that stands behind `print fmt:` in the `format` file.
    const FORMAT: &'static str;

    /// Stores the fields, and returns how many bytes that took.
    fn encode(&self, bytes: &mut [u8; PAYLOAD_MAX]) -> usize;

    /// Shows stored fields as Linux does.
    ///
    /// # Errors
    /// Those of `out`.
    fn print(bytes: &[u8], out: &mut dyn fmt::Write) -> fmt::Result;

    /// Writes the field lines of the event's `format` file.
    ///
    /// # Errors
    /// Those of `out`.
    fn describe(out: &mut dyn fmt::Write) -> fmt::Result;
}

/// A trace event with the fields `R`.
pub struct Event<R> {
    system: &'static str,
    name: &'static str,
    id: u16,
    uses: AtomicU8,
    /// The event whose test is this one's, too.
    leader: Option<&'static AtomicU8>,
    record: PhantomData<fn() -> R>,
}

impl<R: Record> Event<R> {
    pub(crate) const fn new(system: &'static str, name: &'static str, id: u16) -> Self {
        Self { system, name, id, uses: AtomicU8::new(0), leader: None, record: PhantomData }
    }

    /// One that happens where another does: that one is [told](Event::record_and_observe) when this one is on.
    pub(crate) const fn after<L>(
        system: &'static str,
        name: &'static str,
        id: u16,
        leader: &'static Event<L>,
    ) -> Self {
        Self { leader: Some(&leader.uses), ..Self::new(system, name, id) }
    }

    /// Whether it has a use: for who would rather not have at hand what a record needs while it is off.
    #[inline(always)]
    pub fn is_on(&self) -> bool {
        // Relaxed: who turns it on waits for nobody.
        self.uses.load(Ordering::Relaxed) != 0
    }

    /// Notes that it has happened, if it is on. `make` is called only then, with interrupts off; it
    /// must not take locks that could be held here. Any context.
    #[inline(always)]
    pub fn record(&self, make: impl FnOnce() -> R) {
        self.record_some(|| Some(make()));
    }

    /// As [`record`](Self::record), where only `make` finds out whether it has happened.
    #[inline(always)]
    pub fn record_some(&self, make: impl FnOnce() -> Option<R>) {
        if self.is_on() {
            self.write(make);
        }
    }

    /// As [`record`](Self::record), and calls `observe` if [somebody wants that](Self::set_observed), with interrupts as they are; and
    /// before all that `first`, for another event that happens here, if that is on.
    #[inline(always)]
    pub fn record_and_observe(
        &self,
        first: impl FnOnce(),
        make: impl FnOnce() -> R,
        observe: impl FnOnce(),
    ) {
        // One look for all: a place that is on a hot path costs no more for being observed by nobody.
        if self.is_on() {
            self.use_it(first, make, observe);
        }
    }

    #[cold]
    #[inline(never)]
    fn use_it(&self, first: impl FnOnce(), make: impl FnOnce() -> R, observe: impl FnOnce()) {
        if self.has_use(FOLLOWED) {
            first();
        }
        if self.has_use(!(OBSERVED | FOLLOWED)) {
            self.write(|| Some(make()));
        }
        if self.has_use(OBSERVED) {
            observe();
        }
    }

    /// Says whether the places that can call an observer do.
    pub fn set_observed(&self, observed: bool) {
        self.set_use(OBSERVED, observed);
    }

    fn has_use(&self, which: u8) -> bool {
        self.uses.load(Ordering::Relaxed) & which != 0
    }

    fn set_use(&self, which: u8, wanted: bool) {
        set(&self.uses, which, wanted);
        if let Some(leader) = self.leader {
            set(leader, FOLLOWED, self.is_on());
        }
    }

    #[cold]
    #[inline(never)]
    fn write(&self, make: impl FnOnce() -> Option<R>) {
        #[cfg(not(target_os = "none"))]
        if self.has_use(TAPPED) {
            return crate::tap::tell(self.id, |bytes| Some(make()?.encode(bytes)));
        }
        let Some(place) = control::here() else { return };
        // What `make` looks at may be locked by what an interrupt could look at, too.
        let _irqs_off = sync::IrqGuard::new();
        let mut bytes = [0; PAYLOAD_MAX];
        if let Some(record) = make() {
            let length = record.encode(&mut bytes);
            control::append(self.id, place, &bytes[..length]);
        }
    }
}

fn set(uses: &AtomicU8, which: u8, wanted: bool) {
    match wanted {
        true => uses.fetch_or(which, Ordering::Relaxed),
        false => uses.fetch_and(!which, Ordering::Relaxed),
    };
}

/// An event, whatever its fields.
pub trait AnyEvent: Sync {
    /// The part of the kernel that it belongs to: a directory in `events`.
    fn system(&self) -> &'static str;

    /// Its name in there.
    fn name(&self) -> &'static str;

    /// Its number.
    fn id(&self) -> u16;

    /// Whether it is on.
    fn is_enabled(&self) -> bool;

    /// Turns it on or off. May sleep: the first one brings the rings.
    ///
    /// # Errors
    /// ENOMEM: there are no rings.
    fn set_enabled(&self, enabled: bool) -> Result<()>;

    /// Has whoever looks at a simulated run told of it, in place of the rings.
    #[cfg(not(target_os = "none"))]
    fn tap(&self);

    /// Shows stored fields.
    ///
    /// # Errors
    /// Those of `out`.
    fn print(&self, bytes: &[u8], out: &mut dyn fmt::Write) -> fmt::Result;

    /// Writes the `format` file.
    ///
    /// # Errors
    /// Those of `out`.
    fn write_format(&self, out: &mut dyn fmt::Write) -> fmt::Result;
}

impl<R: Record> AnyEvent for Event<R> {
    fn system(&self) -> &'static str {
        self.system
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn id(&self) -> u16 {
        self.id
    }

    fn is_enabled(&self) -> bool {
        self.has_use(RECORDED)
    }

    fn set_enabled(&self, enabled: bool) -> Result<()> {
        if enabled {
            control::require_rings()?;
        }
        self.set_use(RECORDED, enabled);
        Ok(())
    }

    #[cfg(not(target_os = "none"))]
    fn tap(&self) {
        self.set_use(TAPPED, true);
    }

    fn print(&self, bytes: &[u8], out: &mut dyn fmt::Write) -> fmt::Result {
        R::print(bytes, out)
    }

    fn write_format(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        writeln!(out, "name: {}\nID: {}\nformat:", self.name, self.id)?;
        let common = [
            ("unsigned short common_type", 0, 2, 0),
            ("unsigned char common_flags", 2, 1, 0),
            ("unsigned char common_preempt_count", 3, 1, 0),
            ("int common_pid", 4, 4, 1),
        ];
        for (field, offset, size, signed) in common {
            writeln!(out, "\tfield:{field};\toffset:{offset};\tsize:{size};\tsigned:{signed};")?;
        }
        writeln!(out)?;
        R::describe(out)?;
        writeln!(out, "\nprint fmt: {}", R::FORMAT)
    }
}

/// Declares what is recorded, and for each the events that record it: the struct of the fields, the events' statics, and their places in
/// this module's table.
macro_rules! records {
    ($(
        $(#[$doc:meta])*
        $record:ident {
            $($(#[$field_doc:meta])* $field:ident: $kind:ty,)*
        }
        format $format:literal
        print |$this:ident, $out:ident| $print:expr;
        events {
            $($(#[$event_doc:meta])* $system:ident $name:literal $number:literal $event:ident $(after $leader:ident)?;)+
        }
    )*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub struct $record {
                $($(#[$field_doc])* pub $field: $kind,)*
            }

            $(
                $(#[$event_doc])*
                pub static $event: Event<$record> = records!(@new stringify!($system), $name, $number $(, $leader)?);
            )+

            impl Record for $record {
                const FORMAT: &'static str = $format;

                fn encode(&self, bytes: &mut [u8; PAYLOAD_MAX]) -> usize {
                    let mut end = COMMON_SIZE;
                    $(
                        let start = end.next_multiple_of(<$kind as Field>::ALIGN);
                        end = start + <$kind as Field>::SIZE;
                        self.$field.put(&mut bytes[start - COMMON_SIZE..end - COMMON_SIZE]);
                    )*
                    end - COMMON_SIZE
                }

                fn print(bytes: &[u8], $out: &mut dyn fmt::Write) -> fmt::Result {
                    let mut end = COMMON_SIZE;
                    $(
                        let start = end.next_multiple_of(<$kind as Field>::ALIGN);
                        end = start + <$kind as Field>::SIZE;
                        let place = start - COMMON_SIZE..end - COMMON_SIZE;
                        let Some(stored) = bytes.get(place) else { return Ok(()) };
                        let $field = <$kind as Field>::get(stored);
                    )*
                    let _ = end;
                    let $this = Self { $($field,)* };
                    $print
                }

                fn describe(out: &mut dyn fmt::Write) -> fmt::Result {
                    let mut end = COMMON_SIZE;
                    $(
                        let start = end.next_multiple_of(<$kind as Field>::ALIGN);
                        end = start + <$kind as Field>::SIZE;
                        out.write_str("\tfield:")?;
                        <$kind as Field>::declare(out, stringify!($field))?;
                        writeln!(
                            out,
                            ";\toffset:{start};\tsize:{};\tsigned:{};",
                            <$kind as Field>::SIZE,
                            u8::from(<$kind as Field>::SIGNED),
                        )?;
                    )*
                    let _ = end;
                    Ok(())
                }
            }
        )*

        /// The events of this module.
        pub(crate) static TABLE: &[&'static dyn AnyEvent] = &[$($(&$event,)+)*];
    };
    (@new $system:expr, $name:literal, $number:literal) => {
        Event::new($system, $name, $number)
    };
    (@new $system:expr, $name:literal, $number:literal, $leader:ident) => {
        Event::after($system, $name, $number, &$leader)
    };
}

pub(crate) use records;
