//! What the firmware's tables say about the machine: CPUs, interrupt controllers, nodes, how to
//! switch it off. All of it is read once at boot into a [`Platform`]; no table is kept.
//!
//! The tables come from outside and are not trusted further than their bytes: every read is checked
//! against the table's end, and what makes no sense is left out.

use crate::layout::DIRECT_BASE;
use crate::once::Once;
use crate::paging;
use contract::{MAX_CPUS, NodeId};
use core::ops::Range;

/// The most nodes that are told apart; more are folded into node 0.
pub(crate) const MAX_NODES: usize = 8;
const MAX_AFFINITIES: usize = 16;

/// Memory that is near to a node.
#[derive(Clone)]
pub(crate) struct Affinity {
    pub memory: Range<usize>,
    pub node: NodeId,
}

/// A register as ACPI names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Register {
    Memory(usize),
    Port(u16),
}

/// How the machine is switched off and reset.
#[derive(Clone, Copy, Default)]
pub(crate) struct Power {
    /// The control register for sleeping, and whether it is the short one of reduced hardware.
    pub sleep: Option<(Register, bool)>,
    /// The value for "soft off" in that register.
    pub off_type: u8,
    /// The reset register and what to write there.
    pub reset: Option<(Register, u8)>,
    /// The port of the power management timer, 3.579545 MHz.
    pub timer: Option<u16>,
}

/// What the tables said.
pub(crate) struct Platform {
    apic_ids: [u32; MAX_CPUS],
    cpus: usize,
    nodes_of_cpus: [NodeId; MAX_CPUS],
    /// Where the I/O APIC that serves the ISA interrupts is, and its first interrupt's number.
    pub io_apic: Option<(usize, u32)>,
    /// The global number of the serial port's interrupt, whether it is low when active, and whether
    /// it is a level.
    pub serial_interrupt: (u32, bool, bool),
    affinities: [Affinity; MAX_AFFINITIES],
    affinity_count: usize,
    /// How many nodes there are, at least 1.
    pub nodes: usize,
    /// How far the nodes are from each other.
    pub distances: [[u8; MAX_NODES]; MAX_NODES],
    pub power: Power,
    /// The numbers that the firmware gives to nodes, in the order of ours.
    domains: [u32; MAX_NODES],
}

impl Platform {
    const fn new() -> Self {
        let mut distances = [[20; MAX_NODES]; MAX_NODES];
        let mut i = 0;
        while i < MAX_NODES {
            distances[i][i] = 10;
            i += 1;
        }
        Self {
            apic_ids: [0; MAX_CPUS],
            cpus: 0,
            nodes_of_cpus: [0; MAX_CPUS],
            io_apic: None,
            serial_interrupt: (4, false, false),
            affinities: [const { Affinity { memory: 0..0, node: 0 } }; MAX_AFFINITIES],
            affinity_count: 0,
            nodes: 1,
            distances,
            power: Power { sleep: None, off_type: 0, reset: None, timer: None },
            domains: [0; MAX_NODES],
        }
    }

    /// The APIC numbers and nodes of the CPUs that are enabled, in the firmware's order.
    pub(crate) fn cpus(&self) -> impl Iterator<Item = (u32, NodeId)> {
        self.apic_ids[..self.cpus].iter().copied().zip(self.nodes_of_cpus)
    }

    /// Which memory belongs to which node.
    pub(crate) fn affinities(&self) -> &[Affinity] {
        &self.affinities[..self.affinity_count]
    }

    /// Our number for a domain of the firmware's. Domain 0 is node 0, others come as they are met.
    fn node(&mut self, domain: u32) -> NodeId {
        if let Some(known) = self.domains[..self.nodes].iter().position(|&d| d == domain) {
            return known;
        }
        if self.nodes == MAX_NODES {
            return 0;
        }
        self.domains[self.nodes] = domain;
        self.nodes += 1;
        self.nodes - 1
    }
}

static PLATFORM: Once<Platform> = Once::new();

/// What the tables said; after `read`.
pub(crate) fn platform() -> &'static Platform {
    PLATFORM.get().expect("the firmware's tables are read first")
}

/// The same, if it has come to that.
pub(crate) fn known() -> Option<&'static Platform> {
    PLATFORM.get()
}

/// Little-endian fields of a table, `None` beyond its end.
#[derive(Clone, Copy)]
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn array<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.0.get(at..at + N)?.try_into().ok()
    }
    fn u8(self, at: usize) -> Option<u8> {
        self.0.get(at).copied()
    }
    fn u16(self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_le_bytes)
    }
    fn u32(self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_le_bytes)
    }
    fn u64(self, at: usize) -> Option<u64> {
        self.array(at).map(u64::from_le_bytes)
    }
    /// A generic address structure.
    fn register(self, at: usize) -> Option<Register> {
        let address = self.u64(at + 4)?;
        match self.u8(at)? {
            _ if address == 0 => None,
            0 => Some(Register::Memory(address as usize)),
            1 => Some(Register::Port(address as u16)),
            _ => None,
        }
    }
    /// The entries of a table that is a list of (type, length, …).
    fn entries(self, mut at: usize) -> impl Iterator<Item = (u8, Bytes<'a>)> {
        core::iter::from_fn(move || {
            let length = usize::from(self.u8(at + 1)?);
            let entry = Bytes(self.0.get(at..at + length.max(2))?);
            at += length.max(2);
            Some((entry.u8(0)?, entry))
        })
    }
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

/// Physical memory as bytes, mapped first if need be.
fn physical(start: usize, length: usize) -> Option<&'static [u8]> {
    paging::map_direct(start..start.checked_add(length)?).ok()?;
    // SAFETY: it is mapped now. It is firmware memory, which the free regions do not include, so nobody
    // writes it.
    Some(unsafe { core::slice::from_raw_parts((DIRECT_BASE + start) as *const u8, length) })
}

/// A table with its header, if its checksum holds.
fn table(address: usize) -> Option<Bytes<'static>> {
    let length = Bytes(physical(address, 36)?).u32(4)? as usize;
    let bytes = physical(address, length)?;
    (length >= 36 && sum(bytes) == 0).then_some(Bytes(bytes))
}

/// Looks for the root pointer where firmware of this kind puts it.
fn search() -> Option<usize> {
    let low = physical(0, 0x10_0000)?;
    let extended = usize::from(Bytes(low).u16(0x40e)?) << 4;
    let mut places = [extended..extended + 0x400, 0xe0000..0x10_0000].into_iter().flatten();
    places.find(|&at| {
        at % 16 == 0
            && low.get(at..at + 20).is_some_and(|root| &root[..8] == b"RSD PTR " && sum(root) == 0)
    })
}

/// Reads the tables; once. `root` is what the boot loader said, 0 if nothing.
pub(crate) fn read(root: usize) {
    let mut platform = Platform::new();
    let root = if root == 0 { search() } else { Some(root) };
    // A machine without tables has one CPU, one node, and what every PC has.
    let _ = root.and_then(|root| read_all(&mut platform, root));
    PLATFORM.set(platform);
}

fn read_all(platform: &mut Platform, root: usize) -> Option<()> {
    let pointer = Bytes(physical(root, 36)?);
    let extended = if pointer.u8(15)? >= 2 { pointer.u64(24)? as usize } else { 0 };
    let (list, width) = match extended {
        0 => (table(pointer.u32(16)? as usize)?, 4),
        address => (table(address)?, 8),
    };
    for entry in list.0[36..].chunks_exact(width) {
        let mut address = [0; 8];
        address[..width].copy_from_slice(entry);
        let Some(table) = table(u64::from_le_bytes(address) as usize) else { continue };
        let _ = match &table.0[..4] {
            b"APIC" => interrupts(platform, table),
            b"FACP" => power(platform, table),
            b"SRAT" => affinity(platform, table),
            b"SLIT" => distances(platform, table),
            _ => None,
        };
    }
    Some(())
}

/// The multiple APIC description table.
fn interrupts(platform: &mut Platform, table: Bytes) -> Option<()> {
    for (kind, entry) in table.entries(44) {
        match kind {
            // Local APIC and local x2APIC, if enabled.
            0 if entry.u32(4)? & 1 != 0 => add_cpu(platform, entry.u8(3)?.into()),
            9 if entry.u32(8)? & 1 != 0 => add_cpu(platform, entry.u32(4)?),
            1 if platform.io_apic.is_none_or(|(_, first)| first > 0) => {
                platform.io_apic = Some((entry.u32(4)? as usize, entry.u32(8)?));
            }
            // What became of an ISA interrupt.
            2 if entry.u8(3)? == 4 => {
                let flags = entry.u16(8)?;
                platform.serial_interrupt = (entry.u32(4)?, flags & 3 == 3, flags >> 2 & 3 == 3);
            }
            _ => {}
        }
    }
    Some(())
}

fn add_cpu(platform: &mut Platform, apic_id: u32) {
    if platform.cpus < MAX_CPUS {
        platform.apic_ids[platform.cpus] = apic_id;
        platform.cpus += 1;
    }
}

/// The fixed description table.
fn power(platform: &mut Platform, table: Bytes) -> Option<()> {
    let flags = table.u32(112)?;
    let reduced = flags & 1 << 20 != 0;
    let power = &mut platform.power;
    if reduced {
        power.sleep = table.register(244).map(|register| (register, true));
    } else {
        power.sleep = Some((Register::Port(table.u32(64)? as u16), false));
        power.timer = Some(table.u32(76)? as u16).filter(|port| *port != 0);
    }
    if flags & 1 << 10 != 0 {
        power.reset = table.register(116).zip(table.u8(128));
    }
    let mut description = table.u32(40)? as usize;
    if let Some(extended) = table.u64(140).filter(|extended| *extended != 0) {
        description = extended as usize;
    }
    power.off_type = off_type(description)?;
    Some(())
}

/// The first element of the package `\_S5` in the differentiated description table.
fn off_type(description: usize) -> Option<u8> {
    let length = Bytes(physical(description, 36)?).u32(4)? as usize;
    let code = physical(description, length)?;
    let name = code.windows(4).position(|window| window == b"_S5_")?;
    let package = Bytes(code.get(name + 4..)?);
    if package.u8(0)? != 0x12 {
        return None;
    }
    // The package's length takes one to four bytes, then comes the number of elements.
    let first = 3 + usize::from(package.u8(1)? >> 6);
    match package.u8(first)? {
        0x0a => package.u8(first + 1),
        small @ (0 | 1) => Some(small),
        _ => None,
    }
}

/// The system resource affinity table.
fn affinity(platform: &mut Platform, table: Bytes) -> Option<()> {
    for (kind, entry) in table.entries(48) {
        match kind {
            0 if entry.u32(4)? & 1 != 0 => {
                let high = entry.array::<3>(9)?;
                let domain = u32::from_le_bytes([entry.u8(2)?, high[0], high[1], high[2]]);
                place_cpu(platform, entry.u8(3)?.into(), domain);
            }
            2 if entry.u32(12)? & 1 != 0 => place_cpu(platform, entry.u32(8)?, entry.u32(4)?),
            1 if entry.u32(28)? & 1 != 0 && platform.affinity_count < MAX_AFFINITIES => {
                let start = entry.u64(8)? as usize;
                let memory = start..start.checked_add(entry.u64(16)? as usize)?;
                let node = platform.node(entry.u32(2)?);
                platform.affinities[platform.affinity_count] = Affinity { memory, node };
                platform.affinity_count += 1;
            }
            _ => {}
        }
    }
    Some(())
}

fn place_cpu(platform: &mut Platform, apic_id: u32, domain: u32) {
    let node = platform.node(domain);
    if let Some(cpu) = platform.apic_ids[..platform.cpus].iter().position(|id| *id == apic_id) {
        platform.nodes_of_cpus[cpu] = node;
    }
}

/// The system locality distance table.
fn distances(platform: &mut Platform, table: Bytes) -> Option<()> {
    let domains = table.u64(36)? as usize;
    for i in 0..platform.nodes {
        for j in 0..platform.nodes {
            let (from, to) = (platform.domains[i] as usize, platform.domains[j] as usize);
            if from < domains && to < domains {
                platform.distances[i][j] = table.u8(44 + from * domains + to)?;
            }
        }
    }
    Some(())
}
