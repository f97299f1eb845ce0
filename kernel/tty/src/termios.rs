//! Terminal settings: `struct termios`, its two layouts in user memory, and what the bits mean.

use bitflags::bitflags;

bitflags! {
    /// What is done to bytes that come in (`c_iflag`). Bits without a name are kept as they are.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct InputFlags: u32 {
        /// Double 0xff, which otherwise marks a parity error.
        const PARMRK = 0o10;
        /// Drop the eighth bit.
        const ISTRIP = 0o40;
        /// Newline becomes carriage return.
        const INLCR = 0o100;
        /// Carriage returns are dropped.
        const IGNCR = 0o200;
        /// Carriage return becomes newline.
        const ICRNL = 0o400;
        /// Upper case becomes lower case.
        const IUCLC = 0o1000;
        /// The stop and start characters hold and release output.
        const IXON = 0o2000;
        /// Any character releases held output.
        const IXANY = 0o4000;
        /// The sender is held with the stop character when the input queue fills.
        const IXOFF = 0o10000;
        /// Input is UTF-8: erasing takes whole characters.
        const IUTF8 = 0o40000;
        const _ = !0;
    }

    /// What is done to bytes that go out (`c_oflag`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct OutputFlags: u32 {
        /// Without it, none of the others counts.
        const OPOST = 0o1;
        /// Lower case becomes upper case.
        const OLCUC = 0o2;
        /// Newline becomes carriage return and newline.
        const ONLCR = 0o4;
        /// Carriage return becomes newline.
        const OCRNL = 0o10;
        /// No carriage return in column 0.
        const ONOCR = 0o20;
        /// The terminal's newline returns the carriage.
        const ONLRET = 0o40;
        /// Tabs become spaces (all bits of the tab delay set).
        const XTABS = 0o14000;
        const _ = !0;
    }

    /// The line's hardware settings (`c_cflag`): kept and shown, and speed read from it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ControlFlags: u32 {
        /// Eight bits a character.
        const CS8 = 0o60;
        /// The receiver is on.
        const CREAD = 0o200;
        /// The last close hangs up.
        const HUPCL = 0o2000;
        /// Modem lines are ignored.
        const CLOCAL = 0o4000;
        const _ = !0;
    }

    /// How input is made into lines, echoed, and watched for signals (`c_lflag`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct LocalFlags: u32 {
        /// Interrupt, quit and suspend characters send signals.
        const ISIG = 0o1;
        /// Input is edited and handed on by lines.
        const ICANON = 0o2;
        /// Input is echoed.
        const ECHO = 0o10;
        /// Erasing removes the character from the screen.
        const ECHOE = 0o20;
        /// The kill character is followed by a newline.
        const ECHOK = 0o40;
        /// Newline is echoed even without `ECHO`.
        const ECHONL = 0o100;
        /// Signals do not flush the queues.
        const NOFLSH = 0o200;
        /// Background processes may not write.
        const TOSTOP = 0o400;
        /// Control characters are echoed as `^X`.
        const ECHOCTL = 0o1000;
        /// Erased characters are printed backwards, as on paper.
        const ECHOPRT = 0o2000;
        /// Killing a line erases it from the screen.
        const ECHOKE = 0o4000;
        /// Word erase, reprint, literal next and the second end of line are on.
        const IEXTEN = 0o100000;
        /// Somebody else edits the lines: the bytes are passed on untouched.
        const EXTPROC = 0o200000;
        const _ = !0;
    }
}

/// The speed's bits in `c_cflag`.
const CBAUD: u32 = 0o10017;
/// In the speed's bits: the speed is in `output_speed`.
const BOTHER: u32 = 0o10000;

/// Bits per second by the speed's bits without [`BOTHER`].
const LOW_SPEEDS: [u32; 16] =
    [0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400];
/// Bits per second by the speed's low bits with [`BOTHER`], from 1.
const HIGH_SPEEDS: [u32; 15] = [
    57600, 115_200, 230_400, 460_800, 500_000, 576_000, 921_600, 1_000_000, 1_152_000, 1_500_000,
    2_000_000, 2_500_000, 3_000_000, 3_500_000, 4_000_000,
];
/// `c_cflag`'s bits for 38400 and for 115200 bits per second.
const B38400: u32 = 0o17;
const B115200: u32 = 0o10002;

/// The places of the special characters in [`Termios::characters`] (`VINTR` and so on).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Special {
    /// Sends SIGINT.
    Interrupt = 0,
    /// Sends SIGQUIT.
    Quit = 1,
    /// Takes the last character back.
    Erase = 2,
    /// Takes the line back.
    Kill = 3,
    /// Ends the input, or pushes an unfinished line.
    EndOfFile = 4,
    /// Not a character: how long a raw read waits, in tenths of a second.
    Time = 5,
    /// Not a character: how many bytes a raw read waits for.
    Minimum = 6,
    /// Releases output.
    Start = 8,
    /// Holds output.
    Stop = 9,
    /// Sends SIGTSTP.
    Suspend = 10,
    /// Ends a line too.
    EndOfLine = 11,
    /// Shows the line again.
    Reprint = 12,
    /// Takes the last word back.
    WordErase = 14,
    /// The next character is taken as it is.
    LiteralNext = 15,
    /// Ends a line too.
    EndOfLine2 = 16,
}

/// How many special characters there are (`NCCS`).
pub const CHARACTERS: usize = 19;

/// A special character of this value is off.
const DISABLED: u8 = 0;

/// The settings of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Termios {
    /// `c_iflag`
    pub input: InputFlags,
    /// `c_oflag`
    pub output: OutputFlags,
    /// `c_cflag`
    pub control: ControlFlags,
    /// `c_lflag`
    pub local: LocalFlags,
    /// `c_line`, the line discipline's number: only 0 is there.
    pub line: u8,
    /// `c_cc`
    pub characters: [u8; CHARACTERS],
    /// Bits per second in, as `termios2` shows it.
    pub input_speed: u32,
    /// Bits per second out.
    pub output_speed: u32,
}

impl Termios {
    /// The bytes that `TCGETS` and `TCSETS` carry.
    pub const SIZE: usize = 36;
    /// The bytes that `TCGETS2` and `TCSETS2` carry.
    pub const SIZE2: usize = 44;

    /// What a new terminal starts with.
    pub const fn new() -> Self {
        let mut characters = [DISABLED; CHARACTERS];
        characters[Special::Interrupt as usize] = 0x03;
        characters[Special::Quit as usize] = 0x1c;
        characters[Special::Erase as usize] = 0x7f;
        characters[Special::Kill as usize] = 0x15;
        characters[Special::EndOfFile as usize] = 0x04;
        characters[Special::Minimum as usize] = 1;
        characters[Special::Start as usize] = 0x11;
        characters[Special::Stop as usize] = 0x13;
        characters[Special::Suspend as usize] = 0x1a;
        characters[Special::Reprint as usize] = 0x12;
        // Output discarding is not implemented, in Linux neither, but its character is shown.
        characters[13] = 0x0f;
        characters[Special::WordErase as usize] = 0x17;
        characters[Special::LiteralNext as usize] = 0x16;
        Self {
            input: InputFlags::ICRNL.union(InputFlags::IXON),
            output: OutputFlags::OPOST.union(OutputFlags::ONLCR),
            control: ControlFlags::CS8
                .union(ControlFlags::CREAD)
                .union(ControlFlags::HUPCL)
                .union(ControlFlags::from_bits_retain(B38400)),
            local: LocalFlags::ISIG
                .union(LocalFlags::ICANON)
                .union(LocalFlags::ECHO)
                .union(LocalFlags::ECHOE)
                .union(LocalFlags::ECHOK)
                .union(LocalFlags::ECHOCTL)
                .union(LocalFlags::ECHOKE)
                .union(LocalFlags::IEXTEN),
            line: 0,
            characters,
            input_speed: 38400,
            output_speed: 38400,
        }
    }

    /// What the serial console starts with.
    pub const fn serial() -> Self {
        let mut termios = Self::new();
        termios.control = ControlFlags::CS8
            .union(ControlFlags::CREAD)
            .union(ControlFlags::HUPCL)
            .union(ControlFlags::CLOCAL)
            .union(ControlFlags::from_bits_retain(B115200));
        termios.input_speed = 115_200;
        termios.output_speed = 115_200;
        termios
    }

    /// Whether `byte` is the special character, and that is on.
    #[inline]
    pub fn is(&self, byte: u8, special: Special) -> bool {
        byte != DISABLED && self.characters[special as usize] == byte
    }

    /// A special character's byte, or its count for [`Special::Minimum`] and [`Special::Time`].
    pub fn character(&self, special: Special) -> u8 {
        self.characters[special as usize]
    }

    /// As `TCGETS` shows it.
    pub fn to_bytes(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[0..4].copy_from_slice(&self.input.bits().to_ne_bytes());
        bytes[4..8].copy_from_slice(&self.output.bits().to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.control.bits().to_ne_bytes());
        bytes[12..16].copy_from_slice(&self.local.bits().to_ne_bytes());
        bytes[16] = self.line;
        bytes[17..36].copy_from_slice(&self.characters);
        bytes
    }

    /// As `TCGETS2` shows it.
    pub fn to_bytes2(&self) -> [u8; Self::SIZE2] {
        let mut bytes = [0; Self::SIZE2];
        bytes[..Self::SIZE].copy_from_slice(&self.to_bytes());
        bytes[36..40].copy_from_slice(&self.input_speed.to_ne_bytes());
        bytes[40..44].copy_from_slice(&self.output_speed.to_ne_bytes());
        bytes
    }

    /// What `TCSETS` asks for: the speeds follow `c_cflag`.
    pub fn from_bytes(bytes: &[u8; Self::SIZE]) -> Self {
        let word = |at: usize| {
            u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let mut characters = [0; CHARACTERS];
        characters.copy_from_slice(&bytes[17..36]);
        let speed = speed_of(word(8)).unwrap_or(0);
        Self {
            input: InputFlags::from_bits_retain(word(0)),
            output: OutputFlags::from_bits_retain(word(4)),
            control: ControlFlags::from_bits_retain(word(8)),
            local: LocalFlags::from_bits_retain(word(12)),
            line: bytes[16],
            characters,
            input_speed: speed,
            output_speed: speed,
        }
    }

    /// What `TCSETS2` asks for: the speeds follow `c_cflag`, and are given beside it where that
    /// says so.
    pub fn from_bytes2(bytes: &[u8; Self::SIZE2]) -> Self {
        let mut first = [0; Self::SIZE];
        first.copy_from_slice(&bytes[..Self::SIZE]);
        let mut termios = Self::from_bytes(&first);
        if speed_of(termios.control.bits()).is_none() {
            let word = |at: usize| {
                u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
            };
            termios.input_speed = word(36);
            termios.output_speed = word(40);
        }
        termios
    }
}

impl Default for Termios {
    fn default() -> Self {
        Self::new()
    }
}

/// The bits per second that `c_cflag` names, or none if they are given in figures beside it.
fn speed_of(control: u32) -> Option<u32> {
    let bits = control & CBAUD;
    if bits == BOTHER {
        None
    } else if bits & BOTHER == 0 {
        Some(LOW_SPEEDS[bits as usize])
    } else {
        Some(HIGH_SPEEDS[(bits & !BOTHER) as usize - 1])
    }
}

#[cfg(test)]
mod tests {
    use super::{ControlFlags, InputFlags, Special, Termios};

    #[test]
    fn both_layouts_survive_the_round_trip() {
        let termios = Termios::serial();
        assert_eq!(Termios::from_bytes(&termios.to_bytes()), termios);
        assert_eq!(Termios::from_bytes2(&termios.to_bytes2()), termios);
    }

    #[test]
    fn unknown_bits_are_kept() {
        let mut bytes = Termios::new().to_bytes();
        bytes[3] = 0x80;
        let termios = Termios::from_bytes(&bytes);
        assert_eq!(termios.to_bytes(), bytes);
        assert!(termios.input.contains(InputFlags::ICRNL));
    }

    #[test]
    fn speeds_follow_the_control_flags() {
        let mut termios = Termios::new();
        assert_eq!(termios.output_speed, 38400);
        termios.control = ControlFlags::from_bits_retain(0o10002);
        assert_eq!(Termios::from_bytes(&termios.to_bytes()).output_speed, 115_200);
        termios.control = ControlFlags::from_bits_retain(0o10000);
        termios.output_speed = 12345;
        assert_eq!(Termios::from_bytes2(&termios.to_bytes2()).output_speed, 12345);
    }

    #[test]
    fn a_disabled_character_never_matches() {
        let mut termios = Termios::new();
        termios.characters[Special::Interrupt as usize] = 0;
        assert!(!termios.is(0, Special::Interrupt));
        assert!(Termios::new().is(3, Special::Interrupt));
    }
}
