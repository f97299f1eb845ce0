//! Key strokes in, lines and screen out.

use super::queue::CAPACITY;
use super::{Effects, LineDiscipline};
use crate::termios::{InputFlags, LocalFlags, OutputFlags, Special, Termios};

struct Terminal {
    ldisc: LineDiscipline,
    effects: Effects,
    screen: Vec<u8>,
}

impl Terminal {
    fn new(change: impl FnOnce(&mut Termios)) -> Self {
        let mut termios = Termios::new();
        change(&mut termios);
        let ldisc = LineDiscipline::new(termios).unwrap();
        Self { ldisc, effects: Effects::empty(), screen: Vec::new() }
    }

    fn type_keys(&mut self, keys: &[u8]) -> usize {
        let taken = self.ldisc.receive(keys, &mut self.effects);
        let screen = &mut self.screen;
        self.ldisc.take_echo(|piece| {
            screen.extend_from_slice(piece);
            piece.len()
        });
        taken
    }

    fn change(&mut self, change: impl FnOnce(&mut Termios)) -> Effects {
        let mut termios = *self.ldisc.termios();
        change(&mut termios);
        self.ldisc.set_termios(termios)
    }

    fn print(&mut self, text: &[u8]) {
        let done = self.ldisc.process(text, &mut self.screen, usize::MAX);
        assert_eq!(done, text.len());
    }

    fn read(&mut self) -> Option<String> {
        let mut buffer = [0; 8192];
        let length = self.ldisc.read(&mut buffer)?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    fn screen(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.screen)).into_owned()
    }
}

/// Settings, keys, what a program then reads (each read until nothing is there), what the screen
/// shows.
type Case = (&'static str, fn(&mut Termios), &'static [u8], &'static [&'static str], &'static str);

const fn nothing(_: &mut Termios) {}

fn no_echo(termios: &mut Termios) {
    termios.local.remove(LocalFlags::ECHO);
}

const CASES: &[Case] = &[
    ("a line", nothing, b"hello\n", &["hello\n"], "hello\r\n"),
    ("an unfinished line is not read", nothing, b"hel", &[], "hel"),
    ("return is newline", nothing, b"a\r", &["a\n"], "a\r\n"),
    ("two lines, two reads", nothing, b"a\nb\n", &["a\n", "b\n"], "a\r\nb\r\n"),
    ("erase", nothing, b"ab\x7fc\n", &["ac\n"], "ab\x08 \x08c\r\n"),
    ("erase on an empty line", nothing, b"\x7f\x7fa\n", &["a\n"], "a\r\n"),
    ("erase stops at the line before", nothing, b"a\n\x7fb\n", &["a\n", "b\n"], "a\r\nb\r\n"),
    ("erase of a control character", nothing, b"\x01\x7f\n", &["\n"], "^A\x08 \x08\x08 \x08\r\n"),
    ("erase of a tab", nothing, b"ab\t\x7f", &[], "ab\t\x08\x08\x08\x08\x08\x08"),
    (
        "erase of a tab behind a tab",
        nothing,
        b"\tx\t\x7f",
        &[],
        "\tx\t\x08\x08\x08\x08\x08\x08\x08",
    ),
    (
        "word erase",
        nothing,
        b"foo bar_1; \x17x\n",
        &["foo x\n"],
        "foo bar_1; \x08 \x08\x08 \x08\x08 \x08\x08 \x08\x08 \x08\x08 \x08\x08 \x08x\r\n",
    ),
    ("kill wipes", nothing, b"abc\x15d\n", &["d\n"], "abc\x08 \x08\x08 \x08\x08 \x08d\r\n"),
    (
        "kill without ECHOKE",
        |t| t.local.remove(LocalFlags::ECHOKE),
        b"abc\x15d\n",
        &["d\n"],
        "abc^U\r\nd\r\n",
    ),
    ("kill without echo", no_echo, b"abc\x15d\n", &["d\n"], ""),
    (
        "erase without ECHOE",
        |t| t.local.remove(LocalFlags::ECHOE),
        b"ab\x7f\n",
        &["a\n"],
        "ab^?\r\n",
    ),
    (
        "erase on paper",
        |t| t.local.insert(LocalFlags::ECHOPRT),
        b"abc\x7f\x7fd\n",
        &["ad\n"],
        "abc\\cb/d\r\n",
    ),
    (
        "UTF-8 is erased by characters",
        |t| t.input.insert(InputFlags::IUTF8),
        "aé€\x7f\x7fb\n".as_bytes(),
        &["ab\n"],
        "aé€\x08 \x08\x08 \x08b\r\n",
    ),
    ("reprint", nothing, b"ab\x12c\n", &["abc\n"], "ab^R\r\nabc\r\n"),
    ("literal next", nothing, b"\x16\x03\x16\x7f\n", &["\x03\x7f\n"], "^\x08^C^\x08^?\r\n"),
    ("literal newline is in the line", nothing, b"a\x16\nb\n", &["a\nb\n"], "a^\x08^Jb\r\n"),
    ("end of file", nothing, b"\x04", &[""], ""),
    ("end of file pushes a line", nothing, b"ab\x04c\n", &["ab", "c\n"], "abc\r\n"),
    (
        "another end of line",
        |t| t.characters[Special::EndOfLine as usize] = b';',
        b"a;b\n",
        &["a;", "b\n"],
        "a;b\r\n",
    ),
    ("without echo", no_echo, b"secret\n", &["secret\n"], ""),
    (
        "newline alone is echoed",
        |t| {
            no_echo(t);
            t.local.insert(LocalFlags::ECHONL);
        },
        b"secret\n",
        &["secret\n"],
        "\r\n",
    ),
    (
        "control characters as they are",
        |t| t.local.remove(LocalFlags::ECHOCTL),
        b"\x01\n",
        &["\x01\n"],
        "\x01\r\n",
    ),
    ("NUL is a character", nothing, b"a\0b\n", &["a\0b\n"], "a^@b\r\n"),
    ("returns dropped", |t| t.input.insert(InputFlags::IGNCR), b"a\r\n", &["a\n"], "a\r\n"),
    (
        "newline becomes return",
        |t| {
            t.input.remove(InputFlags::ICRNL);
            t.input.insert(InputFlags::INLCR);
        },
        b"a\nb\x04",
        &["a\rb"],
        "a^Mb",
    ),
    ("seven bits", |t| t.input.insert(InputFlags::ISTRIP), b"\xe1\n", &["a\n"], "a\r\n"),
    ("lower case", |t| t.input.insert(InputFlags::IUCLC), b"ABC\n", &["abc\n"], "abc\r\n"),
    (
        "without extensions word erase is a character",
        |t| t.local.remove(LocalFlags::IEXTEN),
        b"a\x17\n",
        &["a\x17\n"],
        "a^W\r\n",
    ),
    ("raw", |t| t.local.remove(LocalFlags::ICANON), b"a\x7f\x04", &["a\x7f\x04"], "a^?^D"),
    ("no output processing", |t| t.output.remove(OutputFlags::OPOST), b"a\n", &["a\n"], "a\n"),
];

#[test]
fn key_strokes() {
    for &(name, settings, keys, reads, screen) in CASES {
        let mut terminal = Terminal::new(settings);
        assert_eq!(terminal.type_keys(keys), keys.len(), "{name}");
        for &expected in reads {
            assert_eq!(terminal.read().as_deref(), Some(expected), "{name}");
        }
        assert_eq!(terminal.read(), None, "{name}");
        assert_eq!(terminal.screen(), screen, "{name}");
    }
}

#[test]
fn a_prompt_counts_when_a_tab_is_erased() {
    let mut terminal = Terminal::new(nothing);
    terminal.print(b"$ ");
    terminal.type_keys(b"a\t\x7f");
    assert_eq!(terminal.screen(), "$ a\t\x08\x08\x08\x08\x08");
}

#[test]
fn signal_keys_signal_and_flush() {
    for (key, effect, shown) in [
        (0x03, Effects::INTERRUPT, "^C"),
        (0x1c, Effects::QUIT, "^\\"),
        (0x1a, Effects::SUSPEND, "^Z"),
    ] {
        let mut terminal = Terminal::new(nothing);
        terminal.type_keys(b"line\nrest");
        terminal.screen();
        terminal.effects = Effects::empty();
        terminal.type_keys(&[key]);
        assert!(terminal.effects.contains(effect | Effects::FLUSH_OUTPUT));
        assert_eq!(terminal.read(), None);
        assert_eq!(terminal.screen(), shown);
    }
}

#[test]
fn noflsh_keeps_what_was_typed() {
    let mut terminal = Terminal::new(|t| t.local.insert(LocalFlags::NOFLSH));
    terminal.type_keys(b"line\nre\x03st\n");
    assert!(terminal.effects.contains(Effects::INTERRUPT));
    assert!(!terminal.effects.contains(Effects::FLUSH_OUTPUT));
    assert_eq!(terminal.read().as_deref(), Some("line\n"));
    assert_eq!(terminal.read().as_deref(), Some("rest\n"));
}

#[test]
fn signal_keys_are_characters_without_isig() {
    let mut terminal = Terminal::new(|t| t.local.remove(LocalFlags::ISIG));
    terminal.type_keys(b"\x03\n");
    assert_eq!(terminal.effects, Effects::READABLE);
    assert_eq!(terminal.read().as_deref(), Some("\x03\n"));
}

#[test]
fn stop_holds_the_echo_and_start_releases_it() {
    let mut terminal = Terminal::new(nothing);
    terminal.type_keys(b"a\x13b");
    assert!(terminal.ldisc.is_stopped());
    assert_eq!(terminal.screen(), "");
    assert!(terminal.ldisc.has_echo());
    terminal.type_keys(b"\x11");
    assert!(terminal.effects.contains(Effects::STARTED));
    assert_eq!(terminal.screen(), "ab");
}

#[test]
fn any_key_releases_with_ixany_and_is_taken_too() {
    let mut terminal = Terminal::new(|t| t.input.insert(InputFlags::IXANY));
    terminal.type_keys(b"\x13x\n");
    assert!(!terminal.ldisc.is_stopped());
    assert_eq!(terminal.read().as_deref(), Some("x\n"));
}

#[test]
fn interrupt_releases_held_output() {
    let mut terminal = Terminal::new(nothing);
    terminal.type_keys(b"\x13\x03");
    assert!(!terminal.ldisc.is_stopped());
    assert_eq!(terminal.screen(), "^C");
}

#[test]
fn turning_ixon_off_releases_held_output() {
    let mut terminal = Terminal::new(nothing);
    terminal.type_keys(b"\x13");
    assert!(terminal.change(|t| t.input.remove(InputFlags::IXON)).contains(Effects::STARTED));
    assert!(!terminal.ldisc.is_stopped());
}

#[test]
fn a_short_buffer_gets_a_line_in_pieces_and_no_false_end_of_file() {
    let mut terminal = Terminal::new(nothing);
    terminal.type_keys(b"abcd\x04x\n");
    let mut two = [0; 2];
    assert_eq!(terminal.ldisc.read(&mut two), Some(2));
    assert_eq!(&two, b"ab");
    assert_eq!(terminal.ldisc.read(&mut two), Some(2));
    assert_eq!(&two, b"cd");
    // The end-of-file mark behind "cd" went with it.
    assert_eq!(terminal.read().as_deref(), Some("x\n"));
}

#[test]
fn an_overlong_line_keeps_its_beginning_and_its_newline() {
    let mut terminal = Terminal::new(no_echo);
    let keys = vec![b'x'; CAPACITY + 100];
    assert_eq!(terminal.type_keys(&keys), keys.len());
    assert_eq!(terminal.read(), None);
    terminal.type_keys(b"\n");
    let line = terminal.read().unwrap();
    assert_eq!(line.len(), CAPACITY);
    assert!(line.ends_with("x\n"));
}

#[test]
fn finished_lines_hold_the_sender_back() {
    let mut terminal = Terminal::new(no_echo);
    let mut keys = [b'x'; 100];
    keys[99] = b'\n';
    let keys = keys.repeat(50);
    let taken = terminal.type_keys(&keys);
    assert_eq!(taken, CAPACITY - 1);
    assert_eq!(terminal.type_keys(b"y"), 0);
    let mut lines = 0;
    let mut offered = taken;
    while let Some(line) = terminal.read() {
        assert_eq!(line.len(), 100);
        lines += 1;
        offered += terminal.type_keys(&keys[offered..]);
    }
    assert_eq!((lines, offered), (50, keys.len()));
}

#[test]
fn raw_input_beyond_the_queue_is_not_taken() {
    let mut terminal = Terminal::new(|t| {
        t.local.remove(LocalFlags::ICANON);
        no_echo(t);
    });
    let keys = vec![b'x'; 5000];
    assert_eq!(terminal.type_keys(&keys), CAPACITY - 1);
    assert_eq!(terminal.ldisc.readable_bytes(), CAPACITY - 1);
}

#[test]
fn input_survives_a_change_of_mode() {
    let mut terminal = Terminal::new(nothing);
    terminal.type_keys(b"done\nhalf");
    assert!(terminal.change(|t| t.local.remove(LocalFlags::ICANON)).contains(Effects::READABLE));
    assert_eq!(terminal.read().as_deref(), Some("done\nhalf"));
    terminal.type_keys(b"raw");
    terminal.change(|t| t.local.insert(LocalFlags::ICANON));
    assert_eq!(terminal.read().as_deref(), Some("raw"));
    assert_eq!(terminal.read(), None);
}

#[test]
fn fionread_counts_lines_without_their_marks() {
    let mut terminal = Terminal::new(nothing);
    terminal.type_keys(b"ab\x04cd\nhalf");
    assert_eq!(terminal.ldisc.readable_bytes(), 5);
}

#[test]
fn a_raw_reader_waits_for_its_minimum() {
    let mut terminal = Terminal::new(|t| {
        t.local.remove(LocalFlags::ICANON);
        t.characters[Special::Minimum as usize] = 3;
    });
    terminal.type_keys(b"ab");
    assert_eq!(terminal.ldisc.poll_minimum(), 3);
    assert!(!terminal.ldisc.is_readable(3));
    terminal.type_keys(b"c");
    assert!(terminal.ldisc.is_readable(3));
}

#[test]
fn ixoff_stops_the_sender_and_starts_it_again() {
    let mut terminal = Terminal::new(|t| {
        t.local.remove(LocalFlags::ICANON);
        t.input.insert(InputFlags::IXOFF);
    });
    terminal.type_keys(&[b'x'; 3900]);
    assert_eq!(terminal.ldisc.flow_character(), None);
    terminal.type_keys(&[b'x'; 100]);
    assert_eq!(terminal.ldisc.flow_character(), Some(0x13));
    assert_eq!(terminal.ldisc.flow_character(), None);
    terminal.read();
    assert_eq!(terminal.ldisc.flow_character(), Some(0x11));
    assert_eq!(terminal.ldisc.flow_character(), None);
}

#[test]
fn output_is_processed_by_column() {
    let mut terminal = Terminal::new(|t| t.output.insert(OutputFlags::XTABS));
    terminal.print(b"ab\tc\n\td\x08\te");
    assert_eq!(terminal.screen(), "ab      c\r\n        d\x08        e");
    let mut terminal = Terminal::new(|t| t.output = OutputFlags::OPOST | OutputFlags::ONOCR);
    terminal.print(b"\ra\r\r\n");
    assert_eq!(terminal.screen(), "a\r\n");
    let mut terminal = Terminal::new(|t| t.output = OutputFlags::OPOST | OutputFlags::OCRNL);
    terminal.print(b"a\rb");
    assert_eq!(terminal.screen(), "a\nb");
    let mut terminal = Terminal::new(|t| t.output |= OutputFlags::OLCUC);
    terminal.print("aé\n".as_bytes());
    assert_eq!(terminal.screen(), "Aé\r\n");
}

#[test]
fn output_stops_at_the_limit() {
    let mut terminal = Terminal::new(nothing);
    let mut out = Vec::new();
    assert_eq!(terminal.ldisc.process(b"a\nb\n", &mut out, 2), 2);
    assert_eq!(out, b"a\r\n");
}
