use super::*;

/// A small program: code with the headers in it, and data with a zeroed tail.
fn image() -> Vec<u8> {
    let mut file = vec![0; HEADER_SIZE];
    file[..6].copy_from_slice(b"\x7fELF\x02\x01");
    put(&mut file, 16, &ET_EXEC.to_le_bytes());
    put(&mut file, 18, &MACHINE.to_le_bytes());
    put(&mut file, 24, &0x40_1000u64.to_le_bytes());
    put(&mut file, 32, &(HEADER_SIZE as u64).to_le_bytes());
    put(&mut file, 54, &(ENTRY_SIZE as u16).to_le_bytes());
    put(&mut file, 56, &3u16.to_le_bytes());
    entry(&mut file, PT_LOAD, PF_R | PF_X, 0, 0x40_0000, 0x1800, 0x1800);
    entry(&mut file, PT_LOAD, PF_R | PF_W, 0x1800, 0x40_2800, 0x100, 0x3000);
    entry(&mut file, PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0);
    file
}

fn put(file: &mut [u8], at: usize, bytes: &[u8]) {
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

fn entry(
    file: &mut Vec<u8>,
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    in_file: u64,
    in_memory: u64,
) {
    file.extend(kind.to_le_bytes());
    file.extend(flags.to_le_bytes());
    for word in [offset, address, address, in_file, in_memory, PAGE_SIZE as u64] {
        file.extend(word.to_le_bytes());
    }
}

fn parse(file: &[u8]) -> Result<(Header, Program)> {
    let header = Header::parse(file)?;
    let table = header.table()?;
    let (start, end) = (table.start as usize, (table.end as usize).min(file.len()));
    let program = header.parse_table(file.get(start..end).ok_or(Errno::ENOEXEC)?)?;
    Ok((header, program))
}

#[test]
fn c7_a_program_is_read_as_it_is() {
    let (header, program) = parse(&image()).unwrap();
    assert_eq!(header.entry, 0x40_1000);
    assert_eq!(header.placement, Placement::Fixed);
    assert_eq!(program.segments.len(), 2);
    assert_eq!(program.headers_address, Some(0x40_0040));
    assert_eq!(program.span(), 0x40_0000..0x40_6000);
    assert!(!program.executable_stack);
    assert!(program.segments[0].execute && !program.segments[0].write);
}

#[test]
fn c7_what_is_not_a_program_for_this_machine_is_refused() {
    for (at, value) in [(0, 0), (4, 1), (5, 2), (16, 1), (18, 3), (54, 32), (56, 0)] {
        let mut file = image();
        file[at] = value;
        assert_eq!(parse(&file).unwrap_err(), Errno::ENOEXEC, "byte {at}");
    }
    for length in 0..image().len() - 1 {
        assert!(parse(&image()[..length]).is_err(), "cut to {length} bytes");
    }
}

#[test]
fn c7_segments_that_overlap_or_leave_user_memory_are_refused() {
    let second = HEADER_SIZE + ENTRY_SIZE;
    for (at, value) in [
        (second + 16, 0x40_0800),
        (second + 16, USER_END as u64 - 0x800),
        (second + 16, u64::MAX - 0x7ff),
        (second + 16, 0x40_2801),
        (second + 32, 0x3001),
        (second + 40, u64::MAX),
        (second + 8, u64::MAX - 0x7ff),
    ] {
        let mut file = image();
        put(&mut file, at, &value.to_le_bytes());
        assert_eq!(parse(&file).unwrap_err(), Errno::ENOEXEC, "{value:#x} at {at}");
    }
}

/// Random damage never panics, and what is accepted keeps its promises.
#[test]
fn c7_damaged_files_never_panic() {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..200_000 {
        let mut file = image();
        for _ in 0..=random() % 8 {
            let at = random() as usize % file.len();
            file[at] = match random() % 4 {
                0 => 0xff,
                1 => 0,
                2 => 0x7f,
                _ => random() as u8,
            };
        }
        let Ok((_, program)) = parse(&file) else { continue };
        let mut floor = 0;
        for segment in &program.segments {
            assert!(segment.address >= floor && segment.end() <= USER_END);
            assert!(segment.file_size <= segment.memory_size);
            floor = segment.end();
        }
        assert!(program.span().end <= USER_END);
    }
}
